"""Checks of the extractors' arguments, with messages that say what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl_coordconv._util.errors import InputError, closest, shown
from rl_coordconv.layers.checks import check_scale

CHOICES = {
    "where": ("first", "last", "all"),
    "coordinate_init": ("default", "zero", "separate"),
    "pooling": ("flatten", "mean", "max", "softmax"),
    "embedding": ("none", "learned", "sinusoids"),
}

MAX_UNITS = 2**31 - 1
"""Of a layer: what torch can count. How many a machine holds is another matter."""
MAX_WIDTH = 64
"""Of IMPALA's network: 2,048 channels in its last stages."""

_INTEGERS = {"features_dim": MAX_UNITS, "width": MAX_WIDTH}


def check_arguments(
    arguments: Mapping[str, Any], choices: Mapping[str, tuple[str, ...]] | None = None
) -> None:
    """Check an extractor's arguments, those that are given.

    Args:
        arguments: by name.
        choices: what is allowed of arguments of which not everything is.

    Raises:
        InputError: a value that is not allowed; names the closest one that is.
    """
    allowed = CHOICES | dict(choices or {})
    for argument, value in arguments.items():
        if argument in allowed:
            _check_choice(argument, value, allowed[argument])
        elif argument in ("with_r", "zero_mean") and not isinstance(value, bool):
            raise InputError(f"{argument}={shown(value)} is not possible (allowed: True, False)")
        elif argument == "coordinate_scale":
            check_scale(value)
        elif argument in _INTEGERS:
            _check_integer(argument, value, _INTEGERS[argument])


def _check_integer(argument: str, value: Any, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise InputError(
            f"{argument}={shown(value)} is not possible (allowed: integers from 1 to {most:,})"
        )


def _check_choice(argument: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value in allowed:
        return
    nearest = closest(str(value), allowed, most=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    names = ", ".join(map(repr, allowed))
    raise InputError(f"unknown {argument}={shown(value)}{hint} (allowed: {names})")
