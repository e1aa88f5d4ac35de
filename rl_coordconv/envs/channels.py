"""Images with their channels first, as policies take them."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import VecEnv, VecTransposeImage


def channels_first(env: VecEnv) -> VecEnv:
    """Return an environment as stable-baselines3's algorithms wrap it for their policies."""
    parts: list[Any] = [env.observation_space]
    if isinstance(env.observation_space, spaces.Dict):
        parts = list(env.observation_space.spaces.values())
    is_last = any(is_image_space(one) and not is_image_space_channels_first(one) for one in parts)
    return VecTransposeImage(env) if is_last else env
