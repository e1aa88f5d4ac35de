"""Anchors as they were meant, and as the released code reads them."""

import numpy as np
import pytest
import torch

from rl_coordconv.tasks.digits.anchors import TEMPLATES, cells_of, make_anchors


@pytest.mark.parametrize(("padding", "cells", "first"), [("valid", 13, 8), ("same", 16, 2)])
def test_in_order_nine_boxes_stand_at_every_place(padding, cells, first):
    anchors = make_anchors("ordered", padding)
    assert anchors.shape == (cells * cells * 9, 4)
    assert cells_of(padding) == cells
    assert anchors[0].tolist() == [first, first, 15, 15]
    assert anchors[4].tolist() == [first, first, 20, 25]
    assert anchors[9].tolist() == [first, first + 4, 15, 15]  # the next place to the right
    last = first + 4 * (cells - 1)
    assert anchors[-1].tolist() == [last, last, 25, 15]


def test_without_padding_the_places_lie_in_the_middle():
    # The features of the first place see pixels 0 to 16.
    assert make_anchors("ordered", "valid")[:, :2].mean().item() == 32


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_released_they_are_the_same_numbers_in_another_order(padding):
    """The released code's own steps, in NumPy."""
    cells = cells_of(padding)
    centers = np.arange(cells) * 4.0 + {"valid": 8, "same": 2}[padding]
    sides = np.array(TEMPLATES)
    array = np.empty((4, 9, cells, cells))
    array[0] = centers[None, :, None]
    array[1] = centers[None, None, :]
    array[2], array[3] = sides[:, :1, None], sides[:, 1:, None]
    read = array.reshape(36, cells, cells).transpose(1, 2, 0).reshape(-1, 9, 4).reshape(-1, 4)
    released = make_anchors("released", padding)
    assert np.array_equal(released.numpy(), read)
    ordered = make_anchors("ordered", padding)
    for one, other in zip(released.view(-1, 36), ordered.view(-1, 36), strict=True):
        assert torch.equal(one.sort()[0], other.sort()[0])


def test_released_most_sides_are_positions():
    row, column = 20.0, 12.0  # place 3, 1 without padding
    found = make_anchors("released", "valid").view(13, 13, 9, 4)[3, 1]
    assert found.tolist() == [
        [row] * 4, [row] * 4, [row, column, column, column], [column] * 4,
        [column, column, 15, 20], [25, 15, 20, 20], [25, 15, 25, 15], [20, 25, 20, 25],
        [15, 20, 25, 15],
    ]  # fmt: skip
