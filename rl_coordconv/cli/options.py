"""Options of the form ``KEY=VALUE``."""

from __future__ import annotations

import re
from typing import Any

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.yaml_loading import parse_yaml

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EXACT = 2**53
"""Below it every integer is a float of its own."""


def parse_settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` pairs of hyperparameters.

    A value is as for `parse_options`, or ``null``; what is clearly a number is one, also where YAML
    sees text (``1e-4``).

    Raises:
        InputError: as `parse_options`.
    """
    options = parse_options(pairs, example="learning_rate=1e-4", null=True)
    return {key: number_or_text(value) for key, value in options.items()}


def parse_grid(words: tuple[str, ...]) -> dict[str, list[Any]]:
    """Read ``KEY=V1,V2`` words: the values that each hyperparameter takes.

    Raises:
        InputError: as `parse_settings`.
    """
    grid: dict[str, list[Any]] = {}
    for word in words:
        key, equals, values = word.partition("=")
        if not equals or not key:
            raise InputError(f"--grid {shown(word)} is not KEY=V1,V2, for example n_steps=64,128")
        if key in grid:
            raise InputError(f"--grid {shown(key)} is given twice")
        grid[key] = [parse_settings((f"{key}={value}",))[key] for value in values.split(",")]
    return grid


def parse_options(pairs: tuple[str, ...], example: str, *, null: bool = False) -> dict[str, Any]:
    """Read ``KEY=VALUE`` pairs; a value is a YAML scalar: true, 0.5, 256 or a word.

    Args:
        pairs: as given on the command line.
        example: of a pair, for the message.
        null: whether a value may be ``null``.

    Raises:
        InputError: no ``=`` in a pair, the same key twice, or a value that is no YAML or neither a
            number, true, false nor a word.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{shown(pair)} is not of the form KEY=VALUE, for example {example}")
        if key in options:
            raise InputError(f"option {shown(key)} is given twice")
        parsed = parse_yaml(value, where=f"the value of {shown(pair)}")
        is_null = null and parsed is None and value != ""
        if not (is_null or isinstance(parsed, bool | int | float | str)):
            raise InputError(
                f"the value of {shown(pair)} is neither a number, true, false nor a word"
            )
        options[key] = parsed
    return options


def number_or_text(value: Any) -> Any:
    """Return the number that a word is, where it is one; anything else as it is.

    YAML reads ``1e-4`` and ``1e6`` as text. In a file that is refused, on a command line it is what
    people type.
    """
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number
