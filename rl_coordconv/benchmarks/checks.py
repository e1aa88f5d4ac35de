"""Refusals before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.machine.hardware import check_threads

MAX_ROUNDS = 10_000
MAX_STEPS = 10_000_000
"""Of one measurement, over all environments."""
MAX_SECONDS = 60.0
"""Of one measurement."""
MAX_BATCH = 65_536
MAX_ENVS = 1024


def check_rounds(rounds: int, threads: int | None) -> None:
    """Refuse what every benchmark is told: how often, and with how many threads.

    Raises:
        InputError: a number out of range.
    """
    check_between("--rounds", rounds, MAX_ROUNDS)
    check_threads(threads)


def check_play(n_envs: int | None, steps: int) -> None:
    """Refuse environments or steps that cannot be measured.

    Raises:
        InputError: a number out of range.
    """
    check_between("--steps", steps, MAX_STEPS)
    if n_envs is not None:
        check_between("--n-envs", n_envs, MAX_ENVS)


def check_between(flag: str, value: int, most: int) -> None:
    """Refuse a number below 1 or above ``most``.

    Raises:
        InputError: it is.
    """
    if not 1 <= value <= most:
        raise InputError(f"{flag} {shown(value)} is not between 1 and {most:,}")


def check_seconds(seconds: float) -> None:
    """Refuse a length of a measurement.

    Raises:
        InputError: not above 0, or longer than `MAX_SECONDS`.
    """
    if not (math.isfinite(seconds) and 0 < seconds <= MAX_SECONDS):
        raise InputError(f"--seconds {seconds} is not above 0 and at most {MAX_SECONDS:g}")


def check_list(flag: str, values: Sequence[object]) -> None:
    """Refuse a list that is empty or holds something twice.

    Raises:
        InputError: it is, or does.
    """
    if not values:
        raise InputError(f"{flag} is given without any value")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise InputError(f"{flag} {shown(twice)} is given twice")
