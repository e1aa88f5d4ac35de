"""Checks that an observation space is an image that a convolution with coordinates can use."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rl_coordconv.errors import InputError


def check_image_space(
    space: gym.Space, user: str, *, smallest_side: int, normalized_image: bool
) -> spaces.Box:
    """Return the space if it is an image with its channels first.

    Args:
        space: the observation space.
        user: the class that needs an image, for the message.
        smallest_side: the smallest height and width that the network can shrink, in pixels.
        normalized_image: whether the policy was told not to scale images by 1/255.

    Raises:
        InputError: it is not; says what was given and what is needed.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 3:
        raise InputError(
            f"{user} needs an image, a Box of shape (channels, height, width), not {space}; use "
            "'CnnPolicy' for images, 'MlpPolicy' for vectors, and CoordConvCombinedExtractor with "
            "'MultiInputPolicy' for a Dict of both"
        )
    _check_channels_first(space, user)
    if min(space.shape[1:]) < smallest_side:
        raise InputError(
            f"{user} needs images of at least {smallest_side} x {smallest_side} pixels, not "
            f"{space.shape[1]} x {space.shape[2]}: enlarge them, or choose another network"
        )
    _check_range(space, user, normalized_image)
    return space


def _check_channels_first(space: spaces.Box, user: str) -> None:
    channels, height, width = space.shape
    if channels <= min(height, width):
        return
    if width < min(channels, height):
        hint = "the channels seem to come last"
    else:
        hint = "the first side is taken for the channels, and it is not the smallest"
    raise InputError(
        f"{user} was given {space.shape}, but needs (channels, height, width); {hint}. "
        "stable-baselines3 moves the channels of uint8 images to the front by itself; for other "
        "images wrap the environment in gymnasium.wrappers.TransformObservation"
    )


def _check_range(space: spaces.Box, user: str, normalized_image: bool) -> None:
    # Coordinates lie in [-1, 1]; beside pixels of up to 255 they would be as good as absent.
    if space.dtype == np.uint8:
        if normalized_image:
            raise InputError(
                f"{user} was told by normalize_images=False that images come scaled, but was given "
                f"uint8 pixels in [{space.low.min()}, {space.high.max()}]: leave normalize_images "
                "out, or give float images in [0, 1]"
            )
        if space.low.min() != 0 or space.high.max() != 255:
            raise InputError(
                f"{user} needs uint8 images with bounds [0, 255], which are scaled by 1/255, not "
                f"[{space.low.min()}, {space.high.max()}]"
            )
        return
    low, high = float(space.low.min()), float(space.high.max())
    if (np.isfinite(low) and low < -1) or (np.isfinite(high) and high > 1):
        raise InputError(
            f"{user} was given a float image in [{low:g}, {high:g}]; scale it to [0, 1] or "
            "[-1, 1], as coordinates lie in [-1, 1], or use uint8"
        )
    if not normalized_image:
        raise InputError(
            f"{user} was given a float image ({space.dtype}, [{low:g}, {high:g}]): pass "
            "normalize_images=False in policy_kwargs, or use uint8 in [0, 255]"
        )
