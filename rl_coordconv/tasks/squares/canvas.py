"""Not-so-Clevr, the data: every position of one square on a canvas, and two ways to split them.

Source: Liu et al. 2018, section 4 and figure 3; the released code's generator
(``data/not_so_clevr_generator.py``) for the order of the positions and the random split. That
generator paints grey squares, with which no intersection over union could exceed one half; here
they are white, 0 and 1, as the paper's figures of up to 1.0 need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_coordconv._util.errors import unknown_name

SIDE = 64
"""Pixels of the canvas's side."""
RADIUS = 4
"""The square is 2 * 4 + 1 = 9 pixels wide; centres keep so far from the border."""

SPLITS = ("uniform", "quadrant", "uniform-80-20")
"""uniform: a quarter of the positions, drawn as the released code does, is for testing (2,368 and
768); quadrant: the lower right quadrant is for testing (2,407 and 729); uniform-80-20: a fifth is
(2,508 and 628), the ratio that the paper tells."""

_SEED = 20202
"""Of the released code's split, so that it is the same for everybody."""


def all_positions() -> Tensor:
    """Return every centre (x, y) in pixels, (3136, 2) int64; x is the column, y the row."""
    line = torch.arange(RADIUS, SIDE - RADIUS)
    x, y = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), dim=1)


def onehot_images(positions: Tensor) -> Tensor:
    """Return images of one white pixel, (N, 1, 64, 64) float32 of 0 and 1.

    Args:
        positions: (N, 2) int64, (x, y) in pixels.
    """
    images = torch.zeros(len(positions), SIDE * SIDE)
    images.scatter_(1, pixel_indices(positions)[:, None], 1.0)
    return images.view(-1, 1, SIDE, SIDE)


def square_images(positions: Tensor) -> Tensor:
    """Return images of one white square, (N, 1, 64, 64) float32 of 0 and 1.

    Args:
        positions: the centres, (N, 2) int64, (x, y) in pixels.
    """
    line = torch.arange(SIDE)
    near_x = (line[None, :] - positions[:, :1]).abs() <= RADIUS
    near_y = (line[None, :] - positions[:, 1:]).abs() <= RADIUS
    return (near_y[:, :, None] & near_x[:, None, :]).float()[:, None]


def pixel_indices(positions: Tensor) -> Tensor:
    """Return which of the canvas's 4,096 pixels, row after row, a position is; (N,) int64."""
    return positions[:, 1] * SIDE + positions[:, 0]


@dataclass(frozen=True)
class Parts:
    """Centres (x, y) in pixels to train on and to test on, each (N, 2) int64."""

    train: Tensor
    test: Tensor


def split_positions(split: str) -> Parts:
    """Part the positions; the same parts every time.

    Args:
        split: one of `SPLITS`.

    Raises:
        UnknownNameError: no such split.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    positions = all_positions()
    is_test = torch.from_numpy(_test_mask(split, positions.numpy()))
    return Parts(positions[~is_test], positions[is_test])


def _test_mask(split: str, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    if split == "quadrant":
        return np.asarray((positions > SIDE // 2).all(axis=1))
    # NumPy keeps this generator's numbers as they were when the released code was written.
    random = np.random.RandomState(_SEED)
    if split == "uniform":
        return np.asarray(random.random_sample(len(positions)) < 0.25)
    mask = np.zeros(len(positions), dtype=bool)
    mask[random.permutation(len(positions))[len(positions) * 4 // 5 :]] = True
    return mask
