"""Small environments in Gymnasium's registry, of every kind that one of a user's own may be."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Corners(gym.Env):
    """A bright square in one of four corners; naming the corner pays 1. Five steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, side=40, channels=3, render_mode=None):
        self.side, self.render_mode = side, render_mode
        self.observation_space = spaces.Box(0, 255, (side, side, channels), np.uint8)
        self.action_space = spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        reward = float(action == self.corner)
        self.steps += 1
        return self.look(), reward, self.steps == 5, False, {}

    def look(self):
        self.corner = int(self.np_random.integers(4))
        image = np.zeros(self.observation_space.shape, np.uint8)
        half = self.side // 2
        y, x = divmod(self.corner, 2)
        image[y * half : y * half + 8, x * half : x * half + 8] = 200
        self.seen = image
        return image

    def render(self):
        return self.seen


class Mixed(Corners):
    """The same beside a vector, with several discrete actions."""

    def __init__(self, side=40, render_mode=None):
        super().__init__(side, 3, render_mode)
        image = self.observation_space
        speed = spaces.Box(np.array([-1, -2], np.float32), np.array([1, 2], np.float32))
        self.observation_space = spaces.Dict({"image": image, "speed": speed})
        self.action_space = spaces.MultiDiscrete([4, 2])
        self.image_shape = image.shape

    def step(self, action):
        return super().step(action[0])

    def look(self):
        whole = self.observation_space
        self.observation_space = whole["image"]
        image = super().look()
        self.observation_space = whole
        return {"image": image, "speed": np.array([0.5, -0.5], np.float32)}

    def render(self):
        return self.seen


class Blind(Corners):
    """Tells the corner as a number and shows it only when it renders."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode=render_mode)
        self.image_space = self.observation_space
        self.observation_space = spaces.Discrete(4)
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)

    def step(self, action):
        return super().step(int(action[0] > 0))

    def look(self):
        self.observation_space = self.image_space
        super().look()
        self.observation_space = spaces.Discrete(4)
        return self.corner


class Demanding(Corners):
    """Cannot be made without being told its size."""

    def __init__(self, side, render_mode=None):
        super().__init__(side, render_mode=render_mode)


class Broken(Corners):
    """Returns an image of another size than it says."""

    def look(self):
        return super().look()[:-1]


class Doubled(gym.RewardWrapper):
    """Pays a multiple."""

    def __init__(self, env, factor=2.0):
        super().__init__(env)
        self.factor = factor

    def reward(self, reward):
        return reward * self.factor


for _cls in (Corners, Mixed, Blind, Demanding, Broken):
    if f"{_cls.__name__}-v0" not in gym.registry:
        gym.register(f"{_cls.__name__}-v0", entry_point=_cls)
