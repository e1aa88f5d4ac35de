"""Anchors of the detection task: as they were meant, and as the released code lays them out.

The released code fills an array (4, 9, rows, columns) with the centres' rows, the centres' columns,
the heights and the widths of nine anchors at every place, flattens it to 36 channels, and reads the
channels of a place in fours, as if they were (9, 4). So four of the nine boxes are the same at all
places, and the sides of most others are the place's row or column: at row 20 and column 12 one is
20 pixels tall and 20 wide, another 12 and 12. A network that moves such a box onto a digit has to
know where it is.

Source: the released code, ``utils_faster_rcnn.py``, ``make_anchors_mnist`` and
``make_anchors_mnist_same``; ``model_builder_faster_rcnn.py``, ``reshape_box_features``.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Layout = Literal["released", "ordered"]
"""released: as the released code reads them; ordered: as the comment beside it says."""
Padding = Literal["valid", "same"]
"""Of the two 5x5 convolutions: without, or with two pixels on every side."""

TEMPLATES = (
    (15, 15),
    (20, 20),
    (25, 25),
    (15, 20),
    (20, 25),
    (20, 15),
    (25, 20),
    (15, 25),
    (25, 15),
)
"""Heights and widths, in the released code's order."""
N_ANCHORS = len(TEMPLATES)
_STRIDE = 4
_FIRST = {"valid": 8.0, "same": 2.0}
_CELLS = {"valid": 13, "same": 16}


def cells_of(padding: Padding) -> int:
    """Return the rows and columns of the feature maps of an image of 64 x 64."""
    return _CELLS[padding]


def make_anchors(layout: Layout, padding: Padding) -> Tensor:
    """Return the anchors of every place, (cells * cells * 9, 4): row, column, height, width.

    Places come row after row, nine anchors each. Place i is centred at 4 i + 8 pixels, with
    padding at 4 i + 2.
    """
    cells = _CELLS[padding]
    centers = _FIRST[padding] + _STRIDE * torch.arange(cells, dtype=torch.float32)
    rows, columns = torch.meshgrid(centers, centers, indexing="ij")
    sides = torch.tensor(TEMPLATES, dtype=torch.float32)
    numbers = torch.empty(4, N_ANCHORS, cells, cells)
    numbers[0], numbers[1] = rows, columns
    numbers[2:] = sides.T[:, :, None, None]
    if layout == "ordered":
        return numbers.permute(2, 3, 1, 0).reshape(-1, 4)
    return numbers.flatten(0, 1).permute(1, 2, 0).reshape(-1, 4)
