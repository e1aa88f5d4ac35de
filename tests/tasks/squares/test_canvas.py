"""Not-so-Clevr: positions, images and the published splits."""

import pytest
import torch
from torch import nn

from rl_coordconv._util.errors import UnknownNameError
from rl_coordconv.tasks.squares.canvas import (
    SPLITS,
    all_positions,
    onehot_images,
    pixel_indices,
    split_positions,
    square_images,
)


def test_every_position_once_with_the_square_inside():
    positions = all_positions()
    assert positions.shape == (3136, 2)
    assert len(set(map(tuple, positions.tolist()))) == 3136
    assert (positions.min(), positions.max()) == (4, 59)
    assert positions[:2].tolist() == [[4, 4], [4, 5]]  # the released code's order


def test_images_are_the_papers_generator():
    # The paper makes the one-hot images by padding, and the squares by a 9x9 kernel of ones.
    positions = all_positions()
    onehots = onehot_images(positions)
    maps = torch.eye(3136).view(3136, 1, 56, 56)  # row after row: y is the slow one
    by_row = positions[:, 1].sub(4) * 56 + positions[:, 0].sub(4)
    assert torch.equal(onehots, nn.functional.pad(maps, (4, 4, 4, 4))[by_row])
    some = slice(0, 3136, 97)
    expected = nn.functional.conv2d(onehots[some], torch.ones(1, 1, 9, 9), padding=4)
    assert torch.equal(square_images(positions)[some], expected)


def test_x_is_the_column():
    position = torch.tensor([[40, 10]])
    assert onehot_images(position)[0, 0, 10, 40] == 1
    assert pixel_indices(position).tolist() == [10 * 64 + 40]
    square = square_images(position)[0, 0]
    assert square.sum() == 81
    assert square[6:15, 36:45].sum() == 81


@pytest.mark.parametrize(
    ("split", "train", "test"),
    [("uniform", 2368, 768), ("quadrant", 2407, 729), ("uniform-80-20", 2508, 628)],
)
def test_the_published_counts(split, train, test):
    parts = split_positions(split)
    assert (len(parts.train), len(parts.test)) == (train, test)
    together = torch.cat((parts.train, parts.test)).tolist()
    assert sorted(together) == sorted(all_positions().tolist())
    assert torch.equal(split_positions(split).test, parts.test)


def test_the_quadrant_is_the_lower_right_one():
    parts = split_positions("quadrant")
    assert parts.test.min() == 33
    assert not (parts.train > 32).all(dim=1).any()


def test_the_uniform_splits_cover_the_canvas():
    for split in ("uniform", "uniform-80-20"):
        mean = split_positions(split).test.float().mean(dim=0)
        assert (mean - 31.5).abs().max() < 1.5


def test_unknown_splits_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'quadrant'"):
        split_positions("quarant")
    assert SPLITS[0] == "uniform"
