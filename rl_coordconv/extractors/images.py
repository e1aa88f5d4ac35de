"""Checks that an observation space is an image that a convolution with coordinates can use."""

from __future__ import annotations

import math

import gymnasium as gym
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from rl_coordconv._util.errors import InputError

LARGEST_STANDARDISED = 10
"""What stable-baselines3's VecNormalize clips standardised images to."""


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
            "'CnnPolicy' for images, 'MlpPolicy' for vectors, and for a Dict of both "
            "'MultiInputPolicy' with extractor_policy_kwargs(..., observation_space=...)"
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
    if channels < min(height, width):
        return
    if width < min(channels, height):
        hint = "the channels seem to come last"
    else:
        hint = "the first side should be the channels, but is not the smallest"
    raise InputError(
        f"{user} was given {space.shape}, but needs (channels, height, width); {hint}. "
        "stable-baselines3 takes the smallest side of a uint8 image for its channels, and moves it "
        "to the front if it is the last; bring other images into that order yourself, for example "
        "with gymnasium.wrappers.TransformObservation"
    )


def _check_range(space: spaces.Box, user: str, normalized_image: bool) -> None:
    low, high = space.low.min().item(), space.high.max().item()
    given = f"{space.dtype} images in [{low:g}, {high:g}]"
    if not normalized_image:
        if is_image_space(space):
            return
        raise InputError(
            f"{user} was given {given}; only uint8 in [0, 255] is scaled by stable-baselines3. For "
            "images that come scaled pass normalize_images=False in policy_kwargs"
        )
    # Coordinates lie in [-1, 1]; beside pixels of up to 255 they would be as good as absent.
    limit = LARGEST_STANDARDISED if low < 0 else 1
    if any(math.isfinite(bound) and abs(bound) > limit for bound in (low, high)):
        raise InputError(
            f"{user} was given {given} and normalize_images=False, which means that they come "
            f"scaled: allowed are [0, 1], or [{-LARGEST_STANDARDISED}, {LARGEST_STANDARDISED}] for "
            "standardised ones. Leave normalize_images out for uint8 in [0, 255], or scale them"
        )
