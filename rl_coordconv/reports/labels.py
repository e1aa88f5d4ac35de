"""Short names of arms, for columns, legends and sentences; the full ones stand in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors.arms import parse_arm

LONGEST = 28
"""Characters of a short name; a longer one is numbered."""


def short_names(arms: Iterable[str]) -> dict[str, str]:
    """Give every arm a short name: the extractor, and the values of its options.

    ``coordconv(coordinate_init=zero)`` is ``coordconv zero``; an option that is a truth value gives
    its name, ``coordconv with_r`` or ``coordconv no with_r``; numbers keep it, ``mine depth=3``.
    Where two arms would get the same name, or one too long a name, the arms are numbered:
    ``coordconv #2``.

    Args:
        arms: full names, as in sweeps.

    Returns:
        The short names by the full ones, all different.
    """
    full = sorted(set(arms))
    wished = {arm: _short(arm) for arm in full}
    counts = list(wished.values())
    names: dict[str, str] = {}
    for arm, wish in wished.items():
        is_free = counts.count(wish) == 1 and len(wish) <= LONGEST
        names[arm] = wish if is_free else _numbered(arm, names.values())
    return names


def _short(arm: str) -> str:
    try:
        extractor, options = parse_arm(arm)
    except InputError:  # an import, by whatever name it was given
        return arm
    extractor = extractor.rpartition(":")[2]
    return " ".join((extractor, *_values(options)))


def _values(options: Mapping[str, Any]) -> Iterable[str]:
    for key, value in sorted(options.items()):
        if isinstance(value, bool):
            yield key if value else f"no {key}"
        elif isinstance(value, str):
            yield value
        else:
            yield f"{key}={value}"


def _numbered(arm: str, taken: Iterable[str]) -> str:
    stem = arm.partition("(")[0].rpartition(":")[2][: LONGEST - 4].strip()
    used, number = set(taken), 1
    while f"{stem} #{number}" in used:
        number += 1
    return f"{stem} #{number}"
