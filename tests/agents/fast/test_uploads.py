"""Stacks of frames rebuilt on the device from the newest frames alone."""

import gymnasium as gym
import numpy as np
import pytest

from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.fast.uploads import ImageUpload
from rl_coordconv.envs import AtariVecEnv

STEPS, ENVS = 40, 3


@pytest.mark.parametrize("protocol", ["deepmind", "machado"])
@pytest.mark.parametrize("game", ["Breakout", "Freeway"])
def test_the_newest_frames_make_the_same_stacks(game, protocol):
    """Over lost lives, new games and the seams between rollouts."""
    env = AtariVecEnv(game, ENVS, protocol=protocol, seed=0)
    buffer = DeviceRolloutBuffer(STEPS, env.observation_space, env.action_space, "cpu",
                                 n_envs=ENVS)  # fmt: skip
    upload = ImageUpload(buffer, slice(1, 3), newest_only=True)
    random = np.random.default_rng(1)
    observations, new_games, lives_lost = env.reset(), 0, 0
    for number in range(12 * STEPS):
        images = upload.put(number % STEPS, observations[1:], env.new_games[1:])
        np.testing.assert_array_equal(images.numpy(), observations[1:])
        observations, _, dones, _ = env.step(random.integers(0, env.action_space.n, ENVS))
        new_games += int(env.new_games.sum())
        lives_lost += int((dones & ~env.new_games).sum())
    if game == "Breakout":
        assert new_games > 3
        assert lives_lost > 10 or protocol == "machado"


def test_without_word_of_new_games_whole_stacks_travel():
    space = gym.spaces.Box(0, 255, (4, 9, 7), np.uint8)
    buffer = DeviceRolloutBuffer(2, space, gym.spaces.Discrete(2), "cpu", n_envs=2)
    upload = ImageUpload(buffer, slice(0, 2), newest_only=True)
    random = np.random.default_rng(0)
    for step in range(2):
        observations = random.integers(0, 256, (2, 4, 9, 7)).astype(np.uint8)
        np.testing.assert_array_equal(upload.put(step, observations, None).numpy(), observations)


def test_only_the_newest_frame_is_read():
    space = gym.spaces.Box(0, 255, (4, 9, 7), np.uint8)
    buffer = DeviceRolloutBuffer(2, space, gym.spaces.Discrete(2), "cpu", n_envs=1)
    upload = ImageUpload(buffer, slice(0, 1), newest_only=True)
    first, second = (np.full((1, 4, 9, 7), value, np.uint8) for value in (10, 20))
    upload.put(0, first, np.array([False]))
    images = upload.put(1, second, np.array([False])).numpy()
    assert [int(image[0, 0]) for image in images[0]] == [10, 10, 10, 20]
    images = upload.put(1, second, np.array([True])).numpy()
    assert [int(image[0, 0]) for image in images[0]] == [0, 0, 0, 20]
