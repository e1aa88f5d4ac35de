"""Options of the form ``KEY=VALUE``."""

from __future__ import annotations

from typing import Any

import yaml

from rl_coordconv.errors import InputError


def parse_options(pairs: tuple[str, ...], example: str) -> dict[str, Any]:
    """Read ``KEY=VALUE`` pairs; a value is a YAML scalar: true, 0.5, 256 or a word.

    Args:
        pairs: as given on the command line.
        example: of a pair, for the message.

    Raises:
        InputError: no ``=`` in a pair, or the same key twice.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{pair!r} is not of the form KEY=VALUE, for example {example}")
        if key in options:
            raise InputError(f"option {key!r} is given twice")
        parsed = yaml.safe_load(value)
        if not isinstance(parsed, bool | int | float | str):
            raise InputError(f"the value of {pair!r} is neither a number, true, false nor a word")
        options[key] = parsed
    return options
