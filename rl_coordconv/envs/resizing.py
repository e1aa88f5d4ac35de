"""Making images smaller or larger by averaging over areas."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def resize(image: Image, height: int, width: int) -> Image:
    """Return an image of another size; every new pixel is the mean over the area that it covers.

    Args:
        image: (height, width, channels) uint8.
        height: of the result.
        width: of the result.

    Returns:
        (height, width, channels) uint8.
    """
    rows = _averages(image.shape[0], height)
    columns = _averages(image.shape[1], width)
    # Rows first: a product of matrices, (new, old) x (old, width x channels).
    tall = rows @ image.reshape(image.shape[0], -1).astype(np.float32)
    wide = np.einsum("hwc,vw->hvc", tall.reshape(height, *image.shape[1:]), columns)
    return np.clip(np.rint(wide), 0, 255).astype(np.uint8)


def _averages(old: int, new: int) -> NDArray[np.float32]:
    """Return the (new, old) matrix of how much of each old pixel lies in each new one."""
    edges = np.arange(new + 1) * (old / new)
    left, right = edges[:-1, None], edges[1:, None]
    pixels = np.arange(old)
    overlap = np.clip(np.minimum(right, pixels + 1) - np.maximum(left, pixels), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)


class ResizeImage(gym.ObservationWrapper):
    """Observe an image of another size.

    Args:
        env: observes (height, width, channels) uint8.
        size: height and width in pixels.
    """

    def __init__(self, env: gym.Env, size: tuple[int, int]) -> None:
        super().__init__(env)
        self._size = size
        channels = env.observation_space.shape[2]  # type: ignore[index]
        self.observation_space = spaces.Box(0, 255, (*size, channels), np.uint8)

    def observation(self, observation: Image) -> Image:
        """Return the image in its new size."""
        return resize(observation, *self._size)
