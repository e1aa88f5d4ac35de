"""How often a run of one arm beats a run of another (Agarwal et al. 2021)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics.arrays import Numbers, Scores, sample, suite
from rl_coordconv.statistics.bootstrap import batches, percentile_interval, resampled_shares
from rl_coordconv.statistics.intervals import Interval


def probability_of_improvement(first: ArrayLike, second: ArrayLike) -> float:
    """Return P(x > y) + P(x = y) / 2 over all pairs of a run of each arm.

    This is Mann and Whitney's U (1947) divided by the number of pairs. It says how often, not by
    how much.

    Args:
        first: (n,) scores of one arm.
        second: (m,) scores of the other.

    Returns:
        0 to 1; 0.5 where neither arm tends to be better.

    Raises:
        InputError: an arm without scores, or with one that is not finite.
    """
    ours, theirs = sample(first, "first scores"), np.sort(sample(second, "second scores"))
    beaten = np.searchsorted(theirs, ours, side="left").sum()
    reached = np.searchsorted(theirs, ours, side="right").sum()
    return float(beaten + reached) / (2 * len(ours) * len(theirs))


def improvement_interval(
    first: Scores,
    second: Scores,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Estimate the probability of improvement, averaged over games.

    The bootstrap resamples the runs of each arm within each game, independently of each other.

    Args:
        first: one (runs,) array of scores a game.
        second: the same games; the numbers of runs may differ.
        rng: the source of the resamples; the same state gives the same interval.
        resamples: how many pairs of suites to draw.
        confidence: the share of resampled probabilities inside the interval.

    Raises:
        InputError: different numbers of games, a game without finite scores, or bad ``resamples``
            or ``confidence``.
    """
    ours, theirs = suite(first), suite(second)
    if len(ours) != len(theirs):
        raise InputError(f"the arms have {len(ours)} and {len(theirs)} games; they must be equal")
    games = list(zip(ours, theirs, strict=True))
    estimate = float(np.mean([probability_of_improvement(*game) for game in games]))
    most = max(map(len, ours + theirs))
    drawn = [_resampled(games, rng, size) for size in batches(resamples, 3 * most)]
    return percentile_interval(estimate, np.concatenate(drawn), confidence)


def _resampled(
    games: list[tuple[Numbers, Numbers]], rng: np.random.Generator, size: int
) -> Numbers:
    total = np.zeros(size)
    for ours, theirs in games:
        wins = (np.sign(ours[:, None] - theirs) + 1) / 2
        our_shares = resampled_shares(rng, size, len(ours))
        their_shares = resampled_shares(rng, size, len(theirs))
        total += ((our_shares @ wins) * their_shares).sum(axis=-1)
    return total / len(games)
