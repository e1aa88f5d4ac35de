"""Spatial softmax: the expected coordinates of every map, written out."""

import copy

import pytest
import torch
from torch import nn

from rl_coordconv.layers import SpatialSoftmax, coordinate_channels


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (1, 4, 1, 6), (2, 1, 1, 1)])
@pytest.mark.parametrize("temperature", [1.0, 0.2, 5.0])
def test_it_is_the_mean_place_under_a_softmax(shape, temperature):
    torch.manual_seed(0)
    maps = torch.randn(shape, dtype=torch.float64)
    layer = SpatialSoftmax().double()
    with torch.no_grad():
        layer.log_temperature.fill_(temperature).log_()
    shares = torch.softmax(maps.flatten(2) / temperature, dim=2)
    x, y = coordinate_channels(*shape[2:], dtype=torch.float64)[0].flatten(1)
    want = torch.cat(((shares * x).sum(2), (shares * y).sum(2)), dim=1)
    torch.testing.assert_close(layer(maps), want, rtol=0, atol=1e-12)
    last = maps.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(last), want, rtol=0, atol=1e-12)


def test_a_bright_spot_is_found_and_an_even_map_is_in_the_middle():
    maps = torch.zeros(1, 3, 7, 11)
    maps[0, 0, 0, 10] = 1e4  # the upper right corner
    maps[0, 1, 6, 5] = 1e4  # the middle of the lower edge
    torch.testing.assert_close(SpatialSoftmax()(maps), torch.tensor([[1.0, 0, 0, -1, 1, 0]]))


def test_the_temperature_is_learnt_and_stays_positive():
    layer = SpatialSoftmax()
    assert [tuple(one.shape) for one in layer.parameters()] == [()]
    assert layer.log_temperature.exp() == 1
    maps = torch.zeros(1, 1, 1, 3)
    maps[..., 2] = 1.0  # the sharper, the farther to the right
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    before = layer(maps)[0, 0].item()
    for _ in range(100):
        optimizer.zero_grad()
        (-layer(maps)[0, 0]).backward()
        optimizer.step()
    assert 0 < layer.log_temperature.exp() < 0.1
    assert layer(maps)[0, 0].item() > 0.99 > before


def test_in_16_bits_the_shares_are_not_rounded():
    maps = torch.full((1, 1, 1, 4096), 0.0, dtype=torch.bfloat16)
    assert SpatialSoftmax()(maps).abs().max() < 1e-3  # bf16 shares of 1/4096 sum to much less
    assert SpatialSoftmax()(maps).dtype is torch.bfloat16
    layer, wide = nn.Sequential(nn.Conv2d(2, 3, 3), SpatialSoftmax()), torch.rand(2, 2, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(wide)
    torch.testing.assert_close(found.float(), layer(wide), atol=0.01, rtol=0.02)


def test_torchs_tools_take_it():
    network = nn.Sequential(nn.Conv2d(2, 3, 3), SpatialSoftmax())
    small, large = torch.rand(2, 2, 9, 9), torch.rand(1, 2, 12, 8)
    scripted = torch.jit.script(network)
    traced = torch.fx.symbolic_trace(network)
    exported = torch.export.export(network, (small,)).module()
    for images in (small, large):
        torch.testing.assert_close(scripted(images), network(images))
        torch.testing.assert_close(traced(images), network(images))
    torch.testing.assert_close(exported(small), network(small))
    torch.testing.assert_close(copy.deepcopy(network)(small), network(small))
