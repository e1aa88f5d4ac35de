"""Hyperparameters that change during training, written as RL Zoo writes them: ``lin_2.5e-4``."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator
from stable_baselines3.common.utils import LinearSchedule

_LINEAR = re.compile(r"lin_(?P<start>\d+(\.\d*)?([eE][+-]?\d+)?)")


def parse_linear(text: str) -> float:
    """Return the value at which a linear schedule starts; it ends at zero.

    Args:
        text: ``lin_`` and a non-negative number, for example ``lin_2.5e-4``.

    Raises:
        ValueError: anything else. Nothing is ever evaluated.
    """
    match = _LINEAR.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is neither a number nor a schedule such as 'lin_2.5e-4'; "
            "YAML reads a number as text unless it has a point and a signed exponent: write 2.5e-4"
        )
    return float(match["start"])


def _check_schedule(value: Any) -> float | str:
    if isinstance(value, str):
        parse_linear(value)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is neither a number nor a schedule such as 'lin_2.5e-4'")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is not a finite number of at least 0")
    return float(value)


Schedule = Annotated[float | str, BeforeValidator(_check_schedule)]
"""A constant, or ``lin_X``: from X at the first step to 0 at the last."""


def to_sb3_schedule(value: float | str) -> float | LinearSchedule:
    """Turn a preset's schedule into what stable-baselines3 takes.

    A ``LinearSchedule`` is a class of SB3's own, so a model that holds one can be loaded anywhere.
    """
    if isinstance(value, str):
        return LinearSchedule(parse_linear(value), 0.0, 1.0)
    return value
