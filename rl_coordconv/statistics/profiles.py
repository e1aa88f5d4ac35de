"""Performance profiles: which fraction of runs scores above each threshold (Agarwal et al. 2021;
their run-score distribution, after Dolan and Moré 2002).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv.statistics.arrays import Numbers, Scores, sample, suite
from rl_coordconv.statistics.bootstrap import batches, percentiles, resampled_shares
from rl_coordconv.statistics.intervals import Band


def performance_profile(scores: Scores, thresholds: ArrayLike) -> Numbers:
    """Return the fraction of runs strictly above each threshold, games weighted equally.

    Args:
        scores: one (runs,) array of scores a game.
        thresholds: (points,) in the unit of the scores, in any order.

    Returns:
        (points,) fractions, 0 to 1.

    Raises:
        InputError: a game without finite scores, or thresholds that are not finite.
    """
    above = _above(suite(scores), sample(thresholds, "thresholds"))
    return np.mean([runs.mean(axis=0) for runs in above], axis=0)


def profile_band(
    scores: Scores,
    thresholds: ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Band:
    """Return the performance profile with pointwise bootstrap intervals.

    Args:
        scores: one (runs,) array of scores a game.
        thresholds: (points,) in the unit of the scores, in any order.
        rng: the source of the resamples, drawn within each game; the same state gives the same
            band.
        resamples: how many suites to draw.
        confidence: the share of resampled fractions inside the band, at each threshold.

    Returns:
        (points,) estimate, low and high.

    Raises:
        InputError: a game without finite scores, thresholds that are not finite, or bad
            ``resamples`` or ``confidence``.
    """
    points = sample(thresholds, "thresholds")
    above = _above(suite(scores), points)
    most = len(points) + max(map(len, above))
    drawn = [_resampled(above, rng, size) for size in batches(resamples, 2 * most)]
    low, high = percentiles(np.concatenate(drawn), confidence)
    return Band(performance_profile(scores, points), low, high)


def _above(games: list[Numbers], thresholds: Numbers) -> list[Numbers]:
    return [(runs[:, None] > thresholds).astype(np.float64) for runs in games]


def _resampled(above: list[Numbers], rng: np.random.Generator, size: int) -> Numbers:
    total = np.zeros((size, above[0].shape[1]))
    for runs in above:
        total += resampled_shares(rng, size, len(runs)) @ runs
    return total / len(above)
