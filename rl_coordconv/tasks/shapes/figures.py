"""Generated images, and where their objects are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from rl_coordconv.tasks.shapes.data import Scene
from rl_coordconv.tasks.shapes.positions import find_objects, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 4


def draw_generation(figure: Figure, images: Tensor, real: Tensor, scene: Scene) -> None:
    """Draw a few generated images, and the places of the objects beside those of real ones.

    Args:
        figure: an empty one.
        images: generated, (N, 3, side, side) from -1 to 1.
        real: as many real ones.
        scene: what they are of.
    """
    figure.set_size_inches(9, 3.4)
    layout: list[Any] = [
        ["0", "1", "made", "made", "real", "real"],
        ["2", "3", "made", "made", "real", "real"],
    ]
    axes = figure.subplot_mosaic(layout)
    for index in range(_SHOWN):
        picture = ((images[index] + 1) / 2).clamp(0, 1).permute(1, 2, 0)
        axes[str(index)].imshow(picture.numpy())
        axes[str(index)].axis("off")
    _places(axes["made"], find_objects(images, scene), scene, "generated")
    _places(axes["real"], find_objects(real, scene), scene, "real")


def _places(axes: Axes, centers: Tensor, scene: Scene, title: str) -> None:
    spreads = [spread(centers[:, index], scene) for index in (0, 1)]
    for index, colour in enumerate(("#c0392b", "#2f6690")):
        x, y = centers[:, index].unbind(dim=1)
        axes.scatter(x.numpy(), y.numpy(), s=4, c=colour, alpha=0.5, linewidths=0)
    axes.set(xlim=(0, scene.side), ylim=(scene.side, 0), aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{title}: spread {sum(spreads) / 2:.0f} of 100 cells", fontsize=9)
