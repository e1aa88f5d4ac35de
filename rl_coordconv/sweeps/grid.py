"""Grid search: every combination of listed hyperparameters, over each agent's preset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.agents.settings import Scalar

Grid = dict[str, list[Scalar]]
"""The values that each hyperparameter takes, by the presets' keys."""


def combinations(grid: Mapping[str, list[Scalar]]) -> list[dict[str, Scalar]]:
    """Return every combination of a grid's values; one without settings where it is empty.

    Raises:
        InputError: a key without values, or a value that is given twice.
    """
    for key, values in grid.items():
        if not values:
            raise InputError(f"grid: {shown(key)} has no values")
        _refuse_repetition(key, values)
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def count(grid: Mapping[str, list[Scalar]]) -> int:
    """Return how many combinations there are, without making them."""
    number = 1
    for values in grid.values():
        number *= len(values)
    return number


def _refuse_repetition(key: str, values: Iterable[Scalar]) -> None:
    seen: list[Scalar] = []
    for value in values:
        if value in seen:
            raise InputError(f"grid: {shown(value)} is given twice for {shown(key)}")
        seen.append(value)
