"""What every function of this subpackage accepts: checked, finite float64 arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rl_coordconv._util.errors import InputError

Numbers = NDArray[np.float64]
Scores = Sequence[NDArray]
"""One array of run scores per game; the games may have different numbers of runs."""


def finite(values: ArrayLike, what: str) -> Numbers:
    """Return ``values`` as float64.

    Raises:
        InputError: something in it is not a finite number. A sort would put NaN at one end, where
            trimming silently drops it.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the {what} are not an array of numbers") from error
    if not np.isfinite(array).all():
        raise InputError(f"the {what} hold NaN or infinity")
    return array


def sample(values: ArrayLike, what: str, least: int = 1) -> Numbers:
    """Return ``values`` as an (n,) float64 array.

    Raises:
        InputError: not one-dimensional, fewer than ``least`` values, or not all finite.
    """
    array = finite(values, what)
    if array.ndim != 1:
        raise InputError(f"the {what} have the shape {array.shape}; one dimension is needed")
    if len(array) < least:
        raise InputError(f"{len(array)} {what} are too few; at least {least} are needed")
    return array


def suite(scores: Scores) -> list[Numbers]:
    """Return one (runs,) float64 array a game.

    Raises:
        InputError: there is no game, or a game's scores are not a finite sample.
    """
    games = [sample(runs, f"scores of game {number}") for number, runs in enumerate(scores)]
    if not games:
        raise InputError("the scores hold no game")
    return games


def check_confidence(confidence: float, above: float = 0.0) -> None:
    """Raise InputError unless ``confidence`` lies strictly between ``above`` and 1."""
    if not above < confidence < 1.0:
        raise InputError(f"confidence {confidence} is not between {above:g} and 1")
