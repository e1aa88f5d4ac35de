"""Digits scattered over a field, and the boxes around them.

Source: the released code, ``data/field_of_mnist/loader.py``: five digits of 15 to 25 pixels on a
field of 120 x 120, of which the 64 x 64 in the middle are seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rl_coordconv.tasks.digits.data import Digits

FIELD, SEEN = 120, 64
N_DIGITS = 5
SMALLEST, LARGEST = 15.0, 25.0


@dataclass(frozen=True)
class Fields:
    """Images (N, 1, 64, 64) from 0 to 1, and the boxes on them, (N, 5, 4).

    Boxes keep their places and sizes on the whole field: a part of one, or all of it, may lie
    outside the image.
    """

    images: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.images)


def scatter(digits: Digits, count: int, seed: int) -> Fields:
    """Scatter digits over fields.

    Args:
        digits: what is scattered.
        count: how many fields; on some of them no digit may be seen.
        seed: the same one scatters the same.
    """
    draw = torch.Generator().manual_seed(seed)
    cropped = [_crop(image) for image in digits.images]
    images, boxes = [], []
    for _ in range(count):
        placed = _draw_boxes(draw)
        chosen = torch.randint(len(cropped), (N_DIGITS,), generator=draw)
        images.append(_paint([cropped[index] for index in chosen], placed))
        boxes.append(placed)
    return Fields(torch.stack(images), torch.stack(boxes))


def _draw_boxes(draw: torch.Generator) -> Tensor:
    """Return five boxes on the field, in pixels of the part that is seen, (5, 4)."""
    sides = SMALLEST + (LARGEST - SMALLEST) * torch.rand(N_DIGITS, 2, generator=draw)
    centers = sides / 2 + (FIELD - sides) * torch.rand(N_DIGITS, 2, generator=draw)
    return torch.cat((centers - (FIELD - SEEN) / 2, sides), dim=1)


def _crop(image: Tensor) -> Tensor:
    rows, columns = torch.nonzero(image > 0.001).unbind(dim=1)
    return image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _paint(digits: list[Tensor], boxes: Tensor) -> Tensor:
    """Return the canvas with the digits, each stretched to its box, (1, 64, 64)."""
    canvas = torch.zeros(SEEN, SEEN)
    pixels = torch.arange(SEEN) + 0.5
    for digit, (y, x, height, width) in zip(digits, boxes.tolist(), strict=True):
        # Where each pixel's middle lies on the digit, from -1 to 1.
        rows, columns = (pixels - y) / (height / 2), (pixels - x) / (width / 2)
        grid = torch.stack((columns.expand(SEEN, -1), rows[:, None].expand(-1, SEEN)), dim=-1)
        canvas += F.grid_sample(digit[None, None], grid[None], align_corners=False)[0, 0]
    return canvas.clamp(max=1.0)[None]
