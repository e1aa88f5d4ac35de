"""Kernels without a mean: what they compute, and how far an optimiser's step moves their answer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rl_coordconv._util.errors import InputError
from rl_coordconv.layers import (
    AddCoords,
    ConstantConv2d,
    CoordConv2d,
    ZeroMeanConv2d,
    convert_to_coordconv,
)

GEOMETRIES: list[dict[str, Any]] = [
    {},
    {"stride": 4},
    {"padding": 1},
    {"padding": "same"},
    {"padding": 2, "padding_mode": "circular", "dilation": 2},
]


def centred(weight: Tensor) -> Tensor:
    return weight - weight.flatten(1).mean(1)[:, None, None, None]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_is_the_convolution_with_each_kernel_less_its_mean(geometry: dict[str, Any]) -> None:
    layer = ZeroMeanConv2d(3, 5, 3, **geometry)
    plain = nn.Conv2d(3, 5, 3, **geometry)
    plain.load_state_dict(layer.state_dict())
    with torch.no_grad():
        plain.weight.copy_(centred(layer.weight))
    images = torch.rand(2, 3, 11, 9)
    torch.testing.assert_close(layer(images), plain(images))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_coordinates_keep_their_kernels_mean(geometry: dict[str, Any]) -> None:
    layer = CoordConv2d(3, 5, 3, with_r=True, coordinate_scale=0.5, zero_mean=True, **geometry)
    plain = nn.Conv2d(6, 5, 3, **geometry)
    with torch.no_grad():
        plain.weight.copy_(
            torch.cat((centred(layer.weight[:, :3]), 0.5 * layer.weight[:, 3:]), dim=1)
        )
        plain.bias.copy_(layer.bias)
    images = torch.rand(2, 3, 11, 9)
    expected = plain(AddCoords(with_r=True)(images))
    torch.testing.assert_close(layer(images), expected)
    with torch.no_grad():
        torch.testing.assert_close(layer(images), expected)  # from the cached map
    # With other types in the parameters' places it goes another way.
    called = torch.func.functional_call(layer, dict(layer.named_parameters()), images)
    torch.testing.assert_close(called, expected)
    torch.testing.assert_close(torch.jit.script(layer)(images), expected)


@pytest.mark.parametrize("kind", [ZeroMeanConv2d, CoordConv2d, ConstantConv2d])
def test_decomposed_it_computes_the_same(kind: Any) -> None:
    layer = kind(4, 8, 8, 4) if kind is ZeroMeanConv2d else kind(4, 8, 8, 4, zero_mean=True)
    images = torch.rand(2, 4, 36, 40)
    if kind is ZeroMeanConv2d:
        weight, bias = layer.decompose()
        found = functional.conv2d(images, weight, bias, layer.stride)
    else:
        weight, added = layer.decompose(36, 40)
        found = functional.conv2d(images, weight, None, layer.stride) + added
    torch.testing.assert_close(found, layer(images))
    torch.testing.assert_close(weight.flatten(1).sum(1), torch.zeros(8), atol=1e-6, rtol=0)


def ground_moves(layer: nn.Conv2d, optimizer: type[torch.optim.Optimizer]) -> Tensor:
    """Return how far one step moves the answer to a ground of 0.34, in learning rates: (out,)."""
    ground = torch.full((1, 4, 84, 84), 0.34)
    images = torch.cat((ground, ground + 0.1 * torch.rand(7, 4, 84, 84)))
    before = layer(ground)[0, :, 0, 0].detach()
    layer(images).square().sum().backward()
    optimizer(layer.parameters(), lr=1e-4).step()  # type: ignore[call-arg]
    return (layer(ground)[0, :, 0, 0].detach() - before).abs() / 1e-4


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RMSprop])
def test_a_step_moves_the_answer_to_an_even_ground_as_far_as_the_bias(optimizer: Any) -> None:
    torch.manual_seed(0)
    layer = ZeroMeanConv2d(4, 32, 8, 4)
    plain = nn.Conv2d(4, 32, 8, 4)
    plain.load_state_dict(layer.state_dict())
    # RMSprop's first step is ten times the learning rate: its mean square begins at zero.
    step = 1.0 if optimizer is torch.optim.Adam else 10.0
    torch.testing.assert_close(
        ground_moves(layer, optimizer), torch.full((32,), step), rtol=0.02, atol=0
    )
    # 256 weights times 0.34, and the bias.
    moved = ground_moves(plain, optimizer)
    torch.testing.assert_close(moved, torch.full((32,), step * (1 + 256 * 0.34)), rtol=0.02, atol=0)


def test_its_state_is_that_of_a_plain_convolution() -> None:
    layer = ZeroMeanConv2d(4, 32, 8, 4)
    assert {name: one.shape for name, one in layer.state_dict().items()} == {
        name: one.shape for name, one in nn.Conv2d(4, 32, 8, 4).state_dict().items()
    }
    again = copy.deepcopy(layer)
    assert again(torch.ones(1, 4, 36, 36)).equal(layer(torch.ones(1, 4, 36, 36)))


def test_converting_it_to_coordinates_changes_nothing() -> None:
    network = nn.Sequential(ZeroMeanConv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    images = torch.rand(2, 4, 12, 12)
    expected = network(images)
    converted = convert_to_coordconv(network, where="all")
    torch.testing.assert_close(converted(images), expected)
    assert [converted[0].zero_mean, converted[2].zero_mean] == [True, False]


def test_a_layer_that_was_pickled_before_there_was_a_choice_has_none() -> None:
    layer = CoordConv2d(3, 4, 3)
    del layer.__dict__["zero_mean"]
    images = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(
        layer(images),
        functional.conv2d(AddCoords()(images), layer.weight, layer.bias),
    )


def test_it_is_shown() -> None:
    assert "zero_mean=True" in repr(CoordConv2d(3, 4, 3, zero_mean=True))
    assert "zero_mean" not in repr(CoordConv2d(3, 4, 3))


def test_what_is_no_truth_value_is_refused() -> None:
    with pytest.raises(InputError, match=r"^zero_mean='yes' is neither True nor False$"):
        CoordConv2d(3, 4, 3, zero_mean="yes")  # type: ignore[arg-type]
