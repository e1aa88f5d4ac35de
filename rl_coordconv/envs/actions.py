"""What actions are called, where an environment says so."""

from __future__ import annotations

from collections.abc import Iterable

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv


def action_meanings(env: VecEnv) -> list[str] | None:
    """Return the name of each discrete action, for example ``["NOOP", "FIRE", "RIGHT", "LEFT"]``.

    Args:
        env: asked by Gymnasium's custom, ``get_action_meanings``.

    Returns:
        None where it does not answer with as many names as it has actions.
    """
    if not isinstance(env.action_space, spaces.Discrete):
        return None
    try:
        (answer,) = env.env_method("get_action_meanings", indices=0)
    except (AttributeError, TypeError, EOFError):  # the last of an environment in another process
        return None
    if not isinstance(answer, Iterable):
        return None
    names = list(map(str, answer))
    return names if len(names) == env.action_space.n else None
