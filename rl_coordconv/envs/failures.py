"""What environments of one's own do wrong while they are played, named where it happens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from gymnasium import spaces

from rl_coordconv._util.errors import EnvironmentFailedError, shown


@contextmanager
def named_failures(call: str, steps: int) -> Iterator[None]:
    """Say of an error that it came out of an environment, in which call and after which step.

    Args:
        call: the method that is called.
        steps: how many steps this sub-environment had made.

    Raises:
        EnvironmentFailedError: in place of any error; that one is its cause.
    """
    try:
        yield
    except Exception as error:
        told = str(error) if isinstance(error, _BrokenRuleError) else f"raised {_words(error)}"
        raise EnvironmentFailedError(
            f"the environment's {call}, after {steps:,} steps of a sub-environment, {told}"
        ) from error


def check_outcome(space: spaces.Space, observation: Any, reward: Any) -> None:
    """Refuse what no agent can learn from; called within `named_failures`.

    Args:
        space: the environment's observation space.
        observation: what it returned, of that space's type and shape.
        reward: a finite number.
    """
    if isinstance(space, spaces.Dict) and isinstance(observation, dict):
        if set(observation) != set(space.spaces):
            raise _BrokenRuleError(
                f"returned an observation of {sorted(observation)}, not {sorted(space.spaces)}"
            )
        for key, part in space.spaces.items():
            _check_array(part, observation[key], f"observation[{key!r}]")
    else:
        _check_array(space, observation, "observation")
    if not _is_finite(reward):
        raise _BrokenRuleError(f"returned a reward of {shown(reward)}")


class _BrokenRuleError(Exception):
    """What an environment did against Gymnasium's rules."""


def _check_array(space: spaces.Space, value: Any, name: str) -> None:
    if not isinstance(space, spaces.Box):
        return
    if not isinstance(value, np.ndarray):
        raise _BrokenRuleError(f"returned {_article(value)} as {name}, not an array")
    if value.shape != space.shape:
        raise _BrokenRuleError(
            f"returned {name} of the shape {value.shape}; its space has {space.shape}"
        )
    if not np.can_cast(value.dtype, space.dtype, "same_kind"):
        raise _BrokenRuleError(f"returned {name} in {value.dtype}; its space is of {space.dtype}")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise _BrokenRuleError(f"returned {name} that is not finite")


def _is_finite(reward: Any) -> bool:
    try:
        return math.isfinite(float(reward))
    except (TypeError, ValueError, OverflowError):
        return False


def _article(value: Any) -> str:
    return f"a {type(value).__name__}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
