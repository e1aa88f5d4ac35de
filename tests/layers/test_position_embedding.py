"""Position embeddings: what is added, and that it is what the papers and the code they cite add."""

import math

import pytest
import torch

from rl_coordconv.layers import PositionEmbedding, SinusoidalEmbedding


def test_the_learnt_one_begins_at_zero_and_is_one_number_a_place():
    layer, maps = PositionEmbedding(3, 4, 5), torch.rand(2, 3, 4, 5)
    assert torch.equal(layer(maps), maps)
    layer(maps).square().sum().backward()
    torch.testing.assert_close(layer.map.grad, 2 * maps.sum(0, keepdim=True))
    assert layer.map.numel() == 60


@pytest.mark.parametrize("channels", [4, 5])
def test_the_waves_channel_by_channel(channels):
    layer = SinusoidalEmbedding(channels, 3, 6)
    added = layer(torch.zeros(1, channels, 3, 6))[0]
    for channel in range(channels):
        slowness = 10_000 ** ((channel - channel % 2) / channels)
        for y in range(3):
            for x in range(6):
                wave = math.cos(y / slowness) if channel % 2 else math.sin(x / slowness)
                got = added[channel, y, x].item()
                assert got == pytest.approx(0.1 * (wave + 1) / 2, abs=1e-6)


def test_the_waves_are_no_part_of_what_is_learnt_or_saved():
    layer = SinusoidalEmbedding(4, 3, 6)
    assert list(layer.parameters()) == []
    assert layer.state_dict() == {}
    assert layer.double().map.dtype is torch.float64


def test_maps_of_another_size_do_not_fit():
    with pytest.raises(RuntimeError, match="must match"):
        PositionEmbedding(3, 4, 5)(torch.rand(2, 3, 4, 6))
