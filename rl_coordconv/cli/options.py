"""Options of the form ``KEY=VALUE``."""

from __future__ import annotations

from typing import Any

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.yaml_loading import parse_yaml


def parse_options(pairs: tuple[str, ...], example: str) -> dict[str, Any]:
    """Read ``KEY=VALUE`` pairs; a value is a YAML scalar: true, 0.5, 256 or a word.

    Args:
        pairs: as given on the command line.
        example: of a pair, for the message.

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
        if not isinstance(parsed, bool | int | float | str):
            raise InputError(
                f"the value of {shown(pair)} is neither a number, true, false nor a word"
            )
        options[key] = parsed
    return options
