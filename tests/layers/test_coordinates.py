"""The coordinate channels, by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rl_coordconv.layers import AddCoords, coordinate_channels


def test_three_by_two_by_hand():
    x, y, r = coordinate_channels(2, 3, with_r=True)[0]
    assert x.tolist() == [[-1, 0, 1], [-1, 0, 1]]
    assert y.tolist() == [[-1, -1, -1], [1, 1, 1]]
    root = 2**0.5
    assert torch.allclose(r, torch.tensor([[root, 1.0, root], [root, 1.0, root]]))


def test_a_side_of_one_is_the_middle():
    assert coordinate_channels(1, 1, with_r=True).flatten().tolist() == [0, 0, 0]
    x, y = coordinate_channels(1, 3)[0]
    assert x.tolist() == [[-1, 0, 1]]
    assert y.tolist() == [[0, 0, 0]]


@given(st.integers(2, 300), st.integers(2, 300))
def test_ends_are_exact_and_halves_mirror_each_other(height, width):
    x, y, r = coordinate_channels(height, width, with_r=True)[0]
    assert x[0, 0] == -1
    assert x[0, -1] == 1
    assert y[0, 0] == -1
    assert y[-1, 0] == 1
    assert torch.equal(x, -x.flip(1))
    assert torch.equal(y, -y.flip(0))
    assert torch.equal(r, r.flip(0).flip(1))  # centred
    assert torch.all(x[:, 1:] > x[:, :-1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_type_is_kept_and_rounded_once(dtype):
    exact = coordinate_channels(84, 84, dtype=torch.float64)
    given_type = coordinate_channels(84, 84, dtype=dtype)
    assert given_type.dtype == dtype
    unit = torch.finfo(dtype).eps
    assert (given_type.double() - exact).abs().max() <= unit
    assert torch.allclose(exact[0, 0, 0], torch.linspace(-1, 1, 84, dtype=torch.float64))


@pytest.mark.parametrize(("with_r", "added"), [(False, 2), (True, 3)])
def test_add_coords_appends_after_the_image(with_r, added):
    image = torch.rand(5, 4, 6, 7)
    joined = AddCoords(with_r)(image)
    assert joined.shape == (5, 4 + added, 6, 7)
    assert torch.equal(joined[:, :4], image)
    for single in joined[:, 4:]:
        assert torch.equal(single, coordinate_channels(6, 7, with_r)[0])
    assert torch.equal(AddCoords(with_r)(image[0]), joined[0])


def test_add_coords_keeps_type_and_memory_format():
    image = torch.rand(2, 3, 6, 7, dtype=torch.float64).to(memory_format=torch.channels_last)
    joined = AddCoords()(image)
    assert joined.dtype == torch.float64
    assert joined.is_contiguous(memory_format=torch.channels_last)


def test_add_coords_refuses_what_is_no_image():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        AddCoords()(torch.rand(2, 3))
