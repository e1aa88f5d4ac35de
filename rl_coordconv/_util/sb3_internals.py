"""stable-baselines3's private interfaces, in one place: probed once, and each can be done without.

CONTRIBUTING.md lists them. What a subclass of its classes is meant to override (``_setup_model``,
``_excluded_save_params``, ``_on_step``, ...) is none of them.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.save_util import json_to_data

# ---- the attributes that collecting a rollout and learning from it share with SB3's own code


def _code(function: Callable[..., Any]) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


def unused_by(function: Callable[..., Any], names: tuple[str, ...]) -> list[str]:
    """Return those names of attributes that a function's code does not mention."""
    code = _code(function)
    return [name for name in names if code is None or name not in code.co_names]


def find_changed_attribute() -> str | None:
    """Return a private attribute of which SB3's own rollouts and updates know nothing, if any."""
    rollout = ("_last_obs", "_last_episode_starts", "_update_info_buffer")
    update = ("_n_updates", "_update_learning_rate")
    changed = (
        unused_by(OnPolicyAlgorithm.collect_rollouts, rollout)
        + unused_by(A2C.train, update)
        + unused_by(PPO.train, (*update, "_current_progress_remaining"))
    )
    return changed[0] if changed else None


CHANGED_ATTRIBUTE = find_changed_attribute()
"""Where there is one, SB3's own rollouts and updates are used: they know where it has gone."""


def why_not_known() -> str | None:
    """Say why this release of stable-baselines3 has to take its own path, None if it need not."""
    if CHANGED_ATTRIBUTE is None:
        return None
    return f"this release of stable-baselines3 does not use {CHANGED_ATTRIBUTE} as those before"


# ---- counters that a checkpoint keeps

_WINDOW = 100  # SB3's default


def n_updates(model: BaseAlgorithm) -> int:
    """Return how many updates there were, 0 where that is not known; it is logged, no more."""
    return int(getattr(model, "_n_updates", 0))


def set_n_updates(model: BaseAlgorithm, count: int) -> None:
    """Go on counting updates from a number."""
    if hasattr(model, "_n_updates"):
        model._n_updates = count


def stats_window(model: BaseAlgorithm) -> int:
    """Return over how many episodes SB3 averages scores."""
    return int(getattr(model, "_stats_window_size", _WINDOW))


# ---- where the next rollout begins

_POSITION = ("_last_obs", "_last_original_obs", "_last_episode_starts")


def rollout_position(model: BaseAlgorithm) -> dict[str, Any] | None:
    """Return the observations that the next rollout begins with, None where they are not known.

    Returns:
        By SB3's names for them; an array, a dictionary of arrays or None each.
    """
    if any(not hasattr(model, name) for name in _POSITION) or model._last_obs is None:
        return None
    return {name: getattr(model, name) for name in _POSITION}


def set_rollout_position(model: BaseAlgorithm, position: dict[str, Any]) -> None:
    """Let the next rollout begin with these observations; ``learn`` then resets no environment."""
    for name in _POSITION:
        setattr(model, name, position[name])


# ---- the warnings before something else is loaded than what was saved

REPLACEMENTS = ("Could not deserialize object", "You are probably loading a .* model saved")
"""How they begin, as regular expressions."""


def says_so() -> bool:
    """Tell whether SB3 still warns in these words."""
    functions: tuple[Any, ...] = (json_to_data, BaseAlgorithm.load)
    return all(map(_mentions, functions, REPLACEMENTS))


def _mentions(function: Callable[..., Any], beginning: str) -> bool:
    code = _code(function)
    texts = () if code is None else code.co_consts
    return any(isinstance(text, str) and re.match(beginning, text) for text in texts)


HAS_WARNINGS = says_so()


def refuse_replacements() -> None:
    """Make errors of these warnings, inside `warnings.catch_warnings`.

    Where their words have changed, of every warning of the files that loading goes through.
    """
    if HAS_WARNINGS:
        for beginning in REPLACEMENTS:
            warnings.filterwarnings("error", message=beginning)
        return
    where = r"stable_baselines3\.common\.(save_util|base_class)"
    warnings.filterwarnings("error", category=UserWarning, module=where)
