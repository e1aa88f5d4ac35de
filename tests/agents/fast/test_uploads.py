"""Observations on their way to the device: whole, whatever the environment does in between."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.fast.uploads import ImageUpload, copy_channels_last


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize("contiguous", [True, False])
def test_every_pixel_finds_its_place(channels, contiguous):
    random = np.random.default_rng(0)
    observations = random.integers(0, 256, (3, channels, 9, 7)).astype(np.uint8)
    if not contiguous:
        observations = np.ascontiguousarray(observations[..., ::-1])[..., ::-1]
        observations = np.asfortranarray(observations)
    out = torch.zeros(3, 9, 7, channels, dtype=torch.uint8).permute(0, 3, 1, 2)
    copy_channels_last(torch.as_tensor(observations.copy("A")), out)
    np.testing.assert_array_equal(out.numpy(), observations)


def test_the_first_frame_is_the_lowest_byte():
    frames = torch.tensor([1, 2, 3, 4], dtype=torch.uint8).view(1, 4, 1, 1)
    out = torch.zeros(1, 1, 1, 4, dtype=torch.uint8)
    copy_channels_last(frames, out.permute(0, 3, 1, 2))
    assert out.view(torch.int32).item() == 0x04030201


def test_a_part_of_the_buffer_is_filled_and_the_rest_left_alone():
    space = gym.spaces.Box(0, 255, (4, 9, 7), np.uint8)
    buffer = DeviceRolloutBuffer(2, space, gym.spaces.Discrete(2), "cpu", n_envs=3)
    observations = np.full((2, 4, 9, 7), 9, np.uint8)
    seen = ImageUpload(torch.device("cpu")).put(observations, buffer.images(1)[1:])
    assert np.shares_memory(seen.numpy(), observations)
    assert buffer.images(1)[1:].eq(9).all()
    assert not buffer.images(1)[0].any()
    assert not buffer.images(0).any()
