"""Bounds of scores that a user chooses, for environments without published reference scores."""

from __future__ import annotations

from collections.abc import Iterable

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.envs import ReferenceScores


def parse_bounds(pairs: Iterable[str]) -> dict[str, ReferenceScores]:
    """Read ``ENV=LOW:HIGH`` pairs.

    Args:
        pairs: the environment's name as runs have it, the score that counts as 0, and the one that
            counts as 1, which may be the lower one.

    Returns:
        The bounds by the environments' names.

    Raises:
        InputError: another form, no finite numbers, equal ones, or an environment given twice.
    """
    bounds: dict[str, ReferenceScores] = {}
    for pair in pairs:
        # An environment's name may itself have colons, and options with "=".
        name, equals, numbers = pair.rpartition("=")
        low, colon, high = numbers.partition(":")
        if not (name and equals and colon):
            raise InputError(
                f"--bounds {shown(pair)} is not of the form ENV=LOW:HIGH, for example "
                "my_package:MyEnv-v0=0:20"
            )
        if name in bounds:
            raise InputError(f"--bounds names {shown(name)} twice")
        bounds[name] = _scores(pair, low, high)
    return bounds


def _scores(pair: str, low: str, high: str) -> ReferenceScores:
    try:
        return ReferenceScores(random=float(low), human=float(high))
    except ValueError as error:
        raise InputError(
            f"--bounds {shown(pair)}: {low!r} and {high!r} are not two different finite numbers"
        ) from error
