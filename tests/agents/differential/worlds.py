"""Environments of a differential programme: of many forms, and the same for both agents."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecMonitor

from rl_coordconv.envs import AtariVecEnv, load_protocol
from rl_coordconv.envs.alternating import AlternatingVecEnv

N_ENVS = 2


class Images(gym.Env):
    """Random images; a bright one pays for action 1. Ends, or is cut off, at random."""

    def __init__(self, shape, truncates=True):
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self.action_space = spaces.Discrete(3)
        self._truncates = truncates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action):
        reward, drawn = float(self._bright == (action == 1)), self.np_random.random()
        truncated = self._truncates and 0.15 < drawn < 0.35
        return self._look(), reward, drawn < 0.15, truncated, {}

    def _look(self):
        self._bright = bool(self.np_random.random() < 0.5)
        low, high = (128, 256) if self._bright else (0, 128)
        shape = self.observation_space.shape
        return self.np_random.integers(low, high, shape).astype(np.uint8)


class OtherRewards(VecEnvWrapper):
    """Rewards of another type, as an environment in a process of its own may send them."""

    def __init__(self, venv, dtype):
        super().__init__(venv)
        self._dtype = dtype

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        return observations, rewards.astype(self._dtype), dones, infos


class Negative(VecEnvWrapper):
    """Changes the observations, and overrides `step` itself."""

    def reset(self):
        return 255 - self.venv.reset()

    def step(self, actions):
        observations, rewards, dones, infos = self.venv.step(actions)
        return 255 - observations, rewards + 1, dones, infos

    def step_wait(self):
        raise AssertionError("not to be called")


class Dimmed(AtariVecEnv):
    """A subclass that changes what its parent returns."""

    def reset(self):
        return super().reset() // 2

    def step_wait(self):
        observations, *rest = super().step_wait()
        return (observations // 2, *rest)


def dummy(shape, n=N_ENVS, truncates=True):
    return DummyVecEnv([lambda: Images(shape, truncates)] * n)


SHORT = load_protocol("deepmind").model_copy(update={"max_frames_per_episode": 400})
"""Episodes of 100 steps: an agent that never serves the ball would play for half an hour."""

CHANNELS_FIRST, CHANNELS_LAST = (4, 36, 40), (40, 36, 3)
WORLDS = {
    "channels first": lambda: dummy(CHANNELS_FIRST),
    "channels last": lambda: dummy(CHANNELS_LAST),
    "one channel": lambda: dummy((1, 36, 36)),
    "monitored": lambda: VecMonitor(dummy(CHANNELS_FIRST)),
    "negative": lambda: Negative(dummy(CHANNELS_FIRST)),
    "float64 rewards": lambda: OtherRewards(dummy(CHANNELS_FIRST), np.float64),
    # Without time limits, whose values SB3 rounds off to whole numbers here.
    "integer rewards": lambda: OtherRewards(dummy(CHANNELS_FIRST, truncates=False), np.int64),
    "boolean rewards": lambda: OtherRewards(dummy(CHANNELS_FIRST, truncates=False), np.bool_),
    "groups": lambda: AlternatingVecEnv([dummy(CHANNELS_FIRST, 1), dummy(CHANNELS_FIRST, 1)]),
    "Breakout": lambda: AtariVecEnv("Breakout", N_ENVS, protocol=SHORT, num_threads=1),
    "Freeway, dimmed": lambda: Dimmed("Freeway", N_ENVS, protocol=SHORT, num_threads=1),
}
