"""CoordConv feature extractors and Atari agents for stable-baselines3.

The public names are imported when they are first used, so that ``import rl_coordconv`` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rl_coordconv._util.errors import closest
from rl_coordconv.registration import register_envs
from rl_coordconv.version import __version__

if TYPE_CHECKING:
    from rl_coordconv.agents.loading import load, load_policy
    from rl_coordconv.envs import AimEnv, AtariVecEnv
    from rl_coordconv.extractors import (
        CoordConvCNN,
        CoordConvCnnPolicy,
        CoordConvCombinedExtractor,
        ImpalaCNN,
        PlaceboCNN,
        PooledCNN,
        extractor_policy_kwargs,
    )
    from rl_coordconv.layers import AddCoords, CoordConv2d, convert_to_coordconv
    from rl_coordconv.training.callbacks import LogCoordinateWeights

__all__ = [
    "AddCoords",
    "AimEnv",
    "AtariVecEnv",
    "CoordConv2d",
    "CoordConvCNN",
    "CoordConvCnnPolicy",
    "CoordConvCombinedExtractor",
    "ImpalaCNN",
    "LogCoordinateWeights",
    "PlaceboCNN",
    "PooledCNN",
    "__version__",
    "convert_to_coordconv",
    "extractor_policy_kwargs",
    "load",
    "load_policy",
]

_HOMES = {
    "AddCoords": "layers",
    "CoordConv2d": "layers",
    "convert_to_coordconv": "layers",
    "CoordConvCNN": "extractors",
    "CoordConvCnnPolicy": "extractors",
    "CoordConvCombinedExtractor": "extractors",
    "ImpalaCNN": "extractors",
    "PlaceboCNN": "extractors",
    "PooledCNN": "extractors",
    "extractor_policy_kwargs": "extractors",
    "LogCoordinateWeights": "training.callbacks",
    "AimEnv": "envs",
    "AtariVecEnv": "envs",
    "load": "agents.loading",
    "load_policy": "agents.loading",
}


register_envs()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"rl_coordconv.{_HOMES[name]}"), name)
    nearest = closest(name, __all__, most=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise AttributeError(f"module 'rl_coordconv' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
