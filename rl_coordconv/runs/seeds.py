"""Environment seeds that no two runs share.

ALE seeds its environments with consecutive numbers from the one it is given, so that runs with
seeds 0, 1 and 2 and eight environments each would play mostly the same episodes. Here every run
seed owns a block of numbers of its own.
"""

from __future__ import annotations

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.runs.config import MAX_ENVS, MAX_SEED

MAX_ATTEMPTS = 64
"""Attempts after which environment seeds are used again."""
_BLOCK = 2 * MAX_ENVS * MAX_ATTEMPTS
"""Seeds that belong to one run; (MAX_SEED + 1) blocks fill the 31 bits that ALE takes."""


def training_seed(seed: int, attempt: int = 0) -> int:
    """Return the first environment seed of a training.

    Args:
        seed: the run's seed.
        attempt: 0 for the first start, one more for every time the run was resumed, so that a
            resumed run does not play its first episodes again.
    """
    return _first(seed, attempt % MAX_ATTEMPTS)


def evaluation_seed(seed: int, repetition: int = 0) -> int:
    """Return the first environment seed of an evaluation; training never uses it.

    Raises:
        InputError: a repetition that would play another one's episodes.
    """
    if not 0 <= repetition < MAX_ATTEMPTS:
        raise InputError(f"repetition {shown(repetition)} is not between 0 and {MAX_ATTEMPTS - 1}")
    return _first(seed, MAX_ATTEMPTS + repetition)


def _first(seed: int, slot: int) -> int:
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed {shown(seed)} is not between 0 and {MAX_SEED}")
    return seed * _BLOCK + slot * MAX_ENVS
