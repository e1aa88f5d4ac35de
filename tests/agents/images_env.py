"""A small image environment whose episodes end in every way there is."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Blinking(gym.Env):
    """Random images; action 1 pays where the image is bright. Ends, or is cut off, at random."""

    observation_space = spaces.Box(0, 255, (4, 36, 44), np.uint8)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action):
        reward = float(self._bright == (action == 1))
        drawn = self.np_random.random()
        return self._look(), reward, drawn < 0.1, 0.1 < drawn < 0.25, {}

    def _look(self):
        self._bright = bool(self.np_random.random() < 0.5)
        low, high = (128, 256) if self._bright else (0, 128)
        shape = self.observation_space.shape
        return self.np_random.integers(low, high, shape).astype(np.uint8)


def make_blinking(n_envs=4, seed=7):
    """Return that many of them in SB3's own vector environment."""
    from stable_baselines3.common.env_util import make_vec_env

    return make_vec_env(Blinking, n_envs=n_envs, seed=seed)
