"""Hyperparameters that change during training, written as RL Zoo writes them: ``lin_2.5e-4``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from stable_baselines3.common.utils import LinearSchedule

from rl_coordconv._util.errors import shown

LARGEST = 1e6
"""Of a schedule; beyond it single precision keeps nothing of the weights."""

_LINEAR = re.compile(r"lin_(?P<start>\d+(\.\d*)?([eE][+-]?\d+)?)", re.ASCII)


def parse_linear(text: str) -> float:
    """Return the value at which a linear schedule starts; it ends at zero.

    Args:
        text: ``lin_`` and a non-negative number, for example ``lin_2.5e-4``.

    Raises:
        ValueError: anything else, or a number above `LARGEST`. Nothing is ever evaluated.
    """
    match = _LINEAR.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{shown(text)} is neither a number nor a schedule such as 'lin_2.5e-4'; "
            "YAML reads a number as text unless it has a point and a signed exponent: write 2.5e-4"
        )
    start = float(match["start"])
    if not start <= LARGEST:
        raise ValueError(f"{shown(text)} begins above {LARGEST:g}, the largest value of a schedule")
    return start


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
    if (parse_linear(value) if isinstance(value, str) else value) == 0:
        raise ValueError(f"{value!r} is not above 0")
    return value


Schedule = Annotated[float | str, BeforeValidator(_check_schedule)]
"""A constant, or ``lin_X``: from X at the first step to 0 at the last."""

PositiveSchedule = Annotated[Schedule, AfterValidator(_check_above_zero)]
"""A schedule that does not begin at 0, where nothing would change."""


def to_sb3_schedule(value: float | str) -> float | LinearSchedule:
    """Turn a preset's schedule into what stable-baselines3 takes.

    A ``LinearSchedule`` is a class of SB3's own, so a model that holds one can be loaded anywhere.
    """
    if isinstance(value, str):
        return LinearSchedule(parse_linear(value), 0.0, 1.0)
    return value
