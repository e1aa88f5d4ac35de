"""What a detector proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from rl_coordconv.tasks.digits.scattered import Fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUE, PROPOSED = "#3a9d5d", "#d1551f"


def draw_detection(figure: Figure, fields: Fields, proposed: list[Tensor]) -> None:
    """Draw test images with the digits' boxes and the proposals.

    Args:
        figure: an empty one.
        fields: a few images and their boxes.
        proposed: boxes for each image.
    """
    from matplotlib.patches import Rectangle

    figure.set_size_inches(2 * len(fields), 2.3)
    for index, axes in enumerate(figure.subplots(1, len(fields))):
        axes.imshow(fields.images[index, 0].numpy(), cmap="gray", extent=(0, 64, 64, 0))
        for colour, boxes in ((PROPOSED, proposed[index]), (TRUE, fields.boxes[index])):
            for y, x, height, width in boxes.tolist():
                corner = (x - width / 2, y - height / 2)
                axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=colour))
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle("green: digits, orange: proposals", fontsize=8)
