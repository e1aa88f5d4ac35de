"""Checks of the extractors' arguments, with messages that say what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl_coordconv._util.errors import InputError, closest, shown
from rl_coordconv.layers.checks import check_scale

CHOICES = {
    "where": ("first", "all"),
    "coordinate_init": ("default", "zero", "separate"),
    "pooling": ("flatten", "mean", "max"),
}

MAX_UNITS = 2**31 - 1
"""Of a layer: what torch can count. How many a machine holds is another matter."""


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Check an extractor's arguments, those that are given.

    Raises:
        InputError: a value that is not allowed; names the closest one that is.
    """
    for argument, value in arguments.items():
        if argument in CHOICES:
            _check_choice(argument, value)
        elif argument in ("with_r", "zero_mean") and not isinstance(value, bool):
            raise InputError(f"{argument}={shown(value)} is not possible (allowed: True, False)")
        elif argument == "coordinate_scale":
            check_scale(value)
        elif argument == "features_dim" and (type(value) is not int or not 1 <= value <= MAX_UNITS):
            raise InputError(
                f"features_dim={shown(value)} is not possible (allowed: integers from 1 to "
                f"{MAX_UNITS:,})"
            )


def _check_choice(argument: str, value: Any) -> None:
    allowed = CHOICES[argument]
    if value in allowed:
        return
    nearest = closest(str(value), allowed, most=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    names = ", ".join(map(repr, allowed))
    raise InputError(f"unknown {argument}={shown(value)}{hint} (allowed: {names})")
