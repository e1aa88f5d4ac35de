"""One number for a suite of games, after Agarwal et al., "Deep Reinforcement Learning at the Edge
of the Statistical Precipice" (2021), and their library rliable.

Every game weighs the same, also where games have different numbers of runs: the aggregates are
those of a suite in which each game's runs are repeated until all games have equally many. With
equal numbers nothing is repeated, and the aggregates are rliable's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics.arrays import Numbers, Scores, finite

Aggregate = Callable[[Scores], Numbers]
"""Takes one (..., runs) array of scores a game and returns (...) numbers, a scalar for (runs,)."""


def interquartile_mean(scores: ArrayLike, axis: int | None = -1) -> Numbers:
    """Average the middle half of the scores.

    A quarter of them, rounded down to whole scores, is dropped at each end, as by
    ``scipy.stats.trim_mean(scores, 0.25)``.

    Args:
        scores: array of any shape.
        axis: the axis to average over; None for all scores together.

    Returns:
        The array without that axis; a scalar if none is left.

    Raises:
        InputError: there is no score, or one is not finite.
    """
    array = _scores(scores)
    array = array.ravel() if axis is None else np.moveaxis(array, axis, -1)
    count = array.shape[-1]
    cut = count // 4
    if cut:
        array = np.partition(array, (cut, count - cut - 1), axis=-1)[..., cut : count - cut]
    return array.mean(axis=-1)


def optimality_gap(scores: ArrayLike, target: float = 1.0, axis: int | None = -1) -> Numbers:
    """Return how far the scores fall short of a target on average; lower is better.

    Scores above the target count as the target.

    Args:
        scores: array of any shape.
        target: in the unit of the scores; 1 is the human score where they are human-normalised.
        axis: the axis to average over; None for all scores together.

    Returns:
        The array without that axis; a scalar if none is left.

    Raises:
        InputError: there is no score, or one is not finite.
    """
    return target - np.minimum(_scores(scores), target).mean(axis=axis)


def _scores(scores: ArrayLike) -> Numbers:
    array = finite(scores, "scores")
    if array.ndim == 0 or array.size == 0:
        raise InputError("there is no score to average")
    return array


def _games(scores: Scores) -> list[Numbers]:
    games = [_scores(runs) for runs in scores]
    if not games:
        raise InputError("the scores hold no game")
    return games


def _over_games(per_game: list[Numbers]) -> Numbers:
    return np.stack(per_game, axis=-1)


def _suite_iqm(scores: Scores) -> Numbers:
    games = _games(scores)
    pooled = np.concatenate(games, axis=-1)
    counts = [runs.shape[-1] for runs in games]
    if len(set(counts)) == 1:
        return interquartile_mean(pooled)
    return _weighted_iqm(pooled, counts)


def _weighted_iqm(pooled: Numbers, counts: list[int]) -> Numbers:
    # As if every game's runs were repeated to the least common multiple, without repeating them.
    total = len(counts) * math.lcm(*counts)
    cut = (total // 4) / total
    weights = np.repeat([1 / (len(counts) * count) for count in counts], counts)
    order = np.argsort(pooled, axis=-1)
    weight = weights[order]
    end = np.cumsum(weight, axis=-1)
    kept = np.clip(end, cut, 1 - cut) - np.clip(end - weight, cut, 1 - cut)
    ordered = np.take_along_axis(pooled, order, axis=-1)
    return (ordered * kept).sum(axis=-1) / kept.sum(axis=-1)


def _suite_median(scores: Scores) -> Numbers:
    return np.median(_over_games([runs.mean(axis=-1) for runs in _games(scores)]), axis=-1)


def _suite_mean(scores: Scores) -> Numbers:
    return _over_games([runs.mean(axis=-1) for runs in _games(scores)]).mean(axis=-1)


def _suite_gap(scores: Scores) -> Numbers:
    return _over_games([optimality_gap(runs) for runs in _games(scores)]).mean(axis=-1)


def median_regression(coefficients: Sequence[float]) -> Aggregate:
    """Return the aggregate that estimates the median over 57 games from a few of them.

    log10(1 + 100 median) is the sum of coefficient x log10(1 + 100 score) over the games, where a
    score is a game's mean over its runs and negative ones count as 0.

    Args:
        coefficients: one a game, in the order in which their scores will come.

    Returns:
        A function of human-normalised scores (1 is the human's), as those in `AGGREGATES`.

    Source:
        Aitchison et al. 2023 (arXiv 2210.02019), section 3; maitchison/Atari-5, atari5.py.
    """
    weights = finite(coefficients, "coefficients")

    def estimate(scores: Scores) -> Numbers:
        means = _over_games([runs.mean(axis=-1) for runs in _games(scores)])
        if means.shape[-1] != len(weights):
            raise InputError(f"{means.shape[-1]} games do not fit {len(weights)} coefficients")
        logs = np.log10(1 + 100 * np.maximum(means, 0))
        return (10 ** (logs @ weights) - 1) / 100

    return estimate


AGGREGATES: dict[str, Aggregate] = {
    "IQM": _suite_iqm,
    "median": _suite_median,
    "mean": _suite_mean,
    "optimality gap": _suite_gap,
}
"""By name, functions of one array of run scores a game.

IQM and optimality gap are over the runs of all games together, median and mean over the games'
mean scores; the gap's target is 1. Arrays of shape (..., runs) give one aggregate for each of the
leading indices. All raise InputError for scores that are missing or not finite.
"""
