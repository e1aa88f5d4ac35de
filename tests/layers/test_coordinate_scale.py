"""Scaled coordinates: what they compute, what they are for, and what is refused."""

import copy
import re

import pytest
import torch
from torch import nn

from rl_coordconv._util.errors import InputError
from rl_coordconv.layers import ConstantConv2d, CoordConv2d, coordinate_channels


@pytest.mark.parametrize(("given", "meant"), [(0.5, 0.5), (3, 3.0), ("kernel", 1 / 15)])
def test_the_coordinates_are_multiplied(given, meant):
    layer = CoordConv2d(2, 4, (3, 5), padding=1, coordinate_scale=given).double()
    assert layer.coordinate_scale == pytest.approx(meant)
    image = torch.rand(3, 2, 9, 11, dtype=torch.float64)
    extra = meant * coordinate_channels(9, 11, dtype=torch.float64).expand(3, -1, -1, -1)
    joined = torch.cat((image, extra), dim=1)
    expected = nn.functional.conv2d(joined, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(image), expected)
    weight, added = layer.decompose(9, 11)
    torch.testing.assert_close(nn.functional.conv2d(image, weight, padding=1) + added, expected)
    with torch.no_grad():  # the cached way
        torch.testing.assert_close(layer(image), expected)
        layer.coordinate_scale = 2 * meant  # is noticed
        assert not torch.equal(layer(image), expected)


def test_the_placebo_is_scaled_alike():
    layer = ConstantConv2d(1, 2, 2, coordinate_scale="kernel", bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    assert layer(torch.zeros(1, 1, 2, 2)).flatten().tolist() == [2.0, 2.0]  # 8 weights x 1/4


def test_with_kernel_a_step_of_adam_moves_a_coordinate_as_far_as_a_bias():
    def moved(scale):
        torch.manual_seed(0)
        layer = ConstantConv2d(1, 1, 8, coordinate_scale=scale)
        before = layer(torch.zeros(1, 1, 8, 8)).item()
        optimizer = torch.optim.Adam([layer.weight], lr=0.001)
        layer(torch.zeros(1, 1, 8, 8)).sum().backward()
        optimizer.step()
        return before - layer(torch.zeros(1, 1, 8, 8)).item()

    assert moved(1.0) == pytest.approx(128 * 0.001, rel=1e-3)  # two channels of 64 weights
    assert moved("kernel") == pytest.approx(2 * 0.001, rel=1e-3)


def test_layers_from_before_there_was_a_choice_have_scale_one():
    layer = CoordConv2d(1, 2, 3)
    image = torch.rand(1, 1, 5, 5)
    expected = layer(image)
    del layer.__dict__["coordinate_scale"]
    assert torch.equal(copy.deepcopy(layer)(image), expected)
    assert "scale" not in repr(layer)
    assert "scale=0.1111" in repr(CoordConv2d(1, 2, 3, coordinate_scale="kernel"))


@pytest.mark.parametrize(
    "scale", [0, -1.0, 1e-320, 1e39, float("nan"), float("inf"), True, None, "kernal"]
)
def test_scales_that_make_no_sense_are_refused(scale):
    with pytest.raises(InputError, match=re.escape(f"coordinate_scale={scale!r} is not possible")):
        CoordConv2d(1, 2, 3, coordinate_scale=scale)
