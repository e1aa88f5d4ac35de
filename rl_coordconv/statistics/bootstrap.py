"""Percentile bootstraps: how much an estimate would differ with other runs of the same kind.

Games are not resampled, only the runs within each (Agarwal et al. 2021): the interval is about new
seeds on the same games, not about new games. Fewer than about ten runs a game make these intervals
too narrow, all the more so where only one game is looked at; a game with one run adds nothing to
their width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics.aggregates import Aggregate
from rl_coordconv.statistics.arrays import Numbers, Scores, check_confidence, sample, suite
from rl_coordconv.statistics.intervals import Interval

_AT_ONCE = 4_000_000
"""Numbers that one batch of resamples may hold, so that large samples do not fill the memory."""


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., Numbers] = np.mean,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Estimate a statistic of one sample with a percentile bootstrap (Efron 1979).

    Args:
        values: (n,) independent values.
        statistic: called with an array of samples and ``axis=-1``, as ``numpy.median`` can be.
        rng: the source of the resamples; the same state gives the same interval.
        resamples: how many samples to draw.
        confidence: the share of resampled statistics inside the interval.

    Raises:
        InputError: no value, one that is not finite, or bad ``resamples`` or ``confidence``.
    """
    array = sample(values, "values")
    drawn = [
        statistic(array[_indices(rng, size, len(array))], axis=-1)
        for size in batches(resamples, len(array))
    ]
    estimate = float(statistic(array, axis=-1))
    return percentile_interval(estimate, np.concatenate(drawn), confidence)


def stratified_interval(
    scores: Scores,
    aggregate: Aggregate,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Estimate an aggregate over a suite, resampling the runs within each game.

    Args:
        scores: one (runs,) array of scores a game.
        aggregate: one of `AGGREGATES`, or a function like them.
        rng: the source of the resamples; the same state gives the same interval.
        resamples: how many suites to draw.
        confidence: the share of resampled aggregates inside the interval.

    Raises:
        InputError: a game without finite scores, or bad ``resamples`` or ``confidence``.
    """
    games = suite(scores)
    drawn = []
    for size in batches(resamples, sum(map(len, games))):
        indices = [_indices(rng, size, len(runs)) for runs in games]
        drawn.append(aggregate(_picked(games, indices)))
    return percentile_interval(float(aggregate(games)), np.concatenate(drawn), confidence)


def paired_stratified_interval(
    first: Scores,
    second: Scores,
    aggregate: Aggregate,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Estimate ``aggregate(first) - aggregate(second)`` where runs come in pairs.

    Run i of a game in both arms is one pair, for example because both had the same seed. Pairs are
    resampled whole, so that what a pair shares cancels out of the difference.

    Args:
        first: one (runs,) array of scores a game.
        second: the same games, each with as many runs.
        aggregate: one of `AGGREGATES`, or a function like them.
        rng: the source of the resamples; the same state gives the same interval.
        resamples: how many pairs of suites to draw.
        confidence: the share of resampled differences inside the interval.

    Raises:
        InputError: games or runs that cannot be paired, a game without finite scores, or bad
            ``resamples`` or ``confidence``.
    """
    ours, theirs = suite(first), suite(second)
    if list(map(len, ours)) != list(map(len, theirs)):
        raise InputError("both arms need the same games with equally many runs to be paired")
    drawn = []
    for size in batches(resamples, 2 * sum(map(len, ours))):
        indices = [_indices(rng, size, len(runs)) for runs in ours]
        drawn.append(aggregate(_picked(ours, indices)) - aggregate(_picked(theirs, indices)))
    estimate = float(aggregate(ours) - aggregate(theirs))
    return percentile_interval(estimate, np.concatenate(drawn), confidence)


def percentile_interval(estimate: float, drawn: Numbers, confidence: float) -> Interval:
    """Return the interval that holds the middle ``confidence`` of (resamples,) statistics."""
    low, high = percentiles(drawn, confidence)
    return Interval(estimate, float(low), float(high))


def percentiles(drawn: Numbers, confidence: float) -> Numbers:
    """Return (2, ...) ends of the middle ``confidence`` of (resamples, ...) statistics."""
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    return np.quantile(drawn, [tail, 1 - tail], axis=0)


def batches(resamples: int, each: int) -> Iterator[int]:
    """Split ``resamples``, of ``each`` numbers, into batch sizes that fit into memory.

    Raises:
        InputError: ``resamples`` is not at least 1.
    """
    if resamples < 1:
        raise InputError(f"{resamples} resamples are too few; at least 1 is needed")
    largest = max(1, _AT_ONCE // each)
    for start in range(0, resamples, largest):
        yield min(largest, resamples - start)


def _indices(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    return rng.integers(count, size=(size, count))


def _picked(games: list[Numbers], indices: list[np.ndarray]) -> list[Numbers]:
    return [runs[index] for runs, index in zip(games, indices, strict=True)]


def resampled_shares(rng: np.random.Generator, size: int, count: int) -> Numbers:
    """Return (size, count) shares of a resample that each of ``count`` runs makes up.

    For statistics that are linear in the runs, these and a matrix product replace the resamples.
    """
    return rng.multinomial(count, np.full(count, 1 / count), size=size) / count
