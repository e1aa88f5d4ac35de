"""Hyperparameters that change during training, written as RL Zoo writes them: ``lin_2.5e-4``.

``warmup_0.05_lin_1e-3`` is ours: Adam's first steps are as large as the learning rate whatever the
gradient, and all of a unit's inputs are positive behind a ReLU; at 1e-3 the first rollouts left a
sixth of the last layer's units alive (docs/preset-search/README.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from stable_baselines3.common.utils import LinearSchedule

from rl_coordconv._util.errors import shown

LARGEST = 1e6
"""Of a schedule; beyond it single precision keeps nothing of the weights."""

_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_LINEAR = re.compile(rf"(?:warmup_(?P<warmup>{_NUMBER})_)?lin_(?P<start>{_NUMBER})", re.ASCII)


@dataclass(frozen=True)
class Linear:
    """A schedule that falls linearly to zero at the end of training.

    Attributes:
        start: where the line begins, at the first step.
        warmup: the part of the training, 0 to 1, over which the value rises to the line, from zero.
    """

    start: float
    warmup: float = 0.0


def parse_linear(text: str) -> Linear:
    """Read a schedule.

    Args:
        text: ``lin_`` and a non-negative number, for example ``lin_2.5e-4``; before it
            ``warmup_`` and a fraction below 1, for example ``warmup_0.05_lin_1e-3``.

    Raises:
        ValueError: anything else, or a number above `LARGEST`. Nothing is ever evaluated.
    """
    match = _LINEAR.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{shown(text)} is neither a number nor a schedule such as 'lin_2.5e-4' or "
            "'warmup_0.05_lin_1e-3'; "
            "YAML reads a number as text unless it has a point and a signed exponent: write 2.5e-4"
        )
    start, warmup = float(match["start"]), float(match["warmup"] or 0)
    if not start <= LARGEST:
        raise ValueError(f"{shown(text)} begins above {LARGEST:g}, the largest value of a schedule")
    if not warmup < 1:
        raise ValueError(f"{shown(text)} warms up over {warmup:g} of the training, not less than 1")
    return Linear(start, warmup)


def is_linear(text: str) -> bool:
    """Tell whether a hyperparameter's value is a schedule."""
    return _LINEAR.fullmatch(text) is not None


def _check_schedule(value: Any) -> float | str:
    if isinstance(value, str):
        parse_linear(value)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is neither a number nor a schedule such as 'lin_2.5e-4'")
    # An integer may be too large for a float.
    if not 0 <= value <= LARGEST:
        raise ValueError(
            f"{shown(value)} is not a finite number of at least 0, at most {LARGEST:g}"
        )
    return float(value)


def _check_above_zero(value: float | str) -> float | str:
    if (parse_linear(value).start if isinstance(value, str) else value) == 0:
        raise ValueError(f"{value!r} is not above 0")
    return value


Schedule = Annotated[float | str, BeforeValidator(_check_schedule)]
"""A constant, or ``lin_X``: from X at the first step to 0 at the last, perhaps warmed up."""

PositiveSchedule = Annotated[Schedule, AfterValidator(_check_above_zero)]
"""A schedule that does not begin at 0, where nothing would change."""


def to_sb3_schedule(value: float | str) -> float | Callable[[float], float]:
    """Turn a preset's schedule into what stable-baselines3 takes.

    A model that holds one can be loaded without this library: a ``LinearSchedule`` is a class of
    SB3's own, and a function within a function is pickled with its code.
    """
    if not isinstance(value, str):
        return value
    line = parse_linear(value)
    fall = LinearSchedule(line.start, 0.0, 1.0)
    if not line.warmup:
        return fall
    warmup = line.warmup

    def warmed_up(progress_remaining: float) -> float:
        return min(1.0, (1.0 - progress_remaining) / warmup) * fall(progress_remaining)

    return warmed_up
