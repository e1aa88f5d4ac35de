"""Whether one arm is better than another, as good, worse, or whether nobody knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics.arrays import check_confidence, sample
from rl_coordconv.statistics.intervals import Interval, mean_and_error, t_interval
from rl_coordconv.statistics.p_values import paired_p_value


class Verdict(StrEnum):
    """What paired runs say about the first arm."""

    BETTER = "better"
    SIMILAR = "similar"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Decision:
    """A verdict and what it rests on.

    Attributes:
        verdict: what the rule of `decide` says.
        interval: Student's t interval of the mean difference at the confidence asked for; without
            ends where there are fewer than two pairs, and NaN its estimate where there is none.
        margin: the difference that was called negligible.
        p_value: two-sided, of Student's paired t test; 1 where there are fewer than two pairs.
        n: how many pairs there were.
        reason: one sentence.
    """

    verdict: Verdict
    interval: Interval
    margin: float
    p_value: float
    n: int
    reason: str


def decide(
    differences: ArrayLike, margin: float, *, confidence: float = 0.95, min_pairs: int = 3
) -> Decision:
    """Judge the differences of paired runs, first arm minus second, higher being better.

    The first of these that holds, for a confidence of 95 %:

    1. undecided: there are fewer than ``min_pairs`` pairs.
    2. similar: the margin is positive and the 90 % (2 * confidence - 1) t interval of the mean
       difference lies within [-margin, margin]. These are two one-sided tests at 5 % (Schuirmann
       1987): a true difference as large as the margin is called similar in at most 5 % of cases.
    3. better or worse: the 95 % t interval lies above 0, or below.
    4. undecided.

    A difference that is sure but negligible is thus similar. Without a true difference, better and
    worse together come up in at most 5 % of cases. Both rates are those of normally distributed
    differences and of one test; `holm` is for many.

    Args:
        differences: (n,) one number a pair.
        margin: the largest difference that would not matter, in the same unit; 0 never finds the
            arms similar. To be chosen before looking at the differences.
        confidence: between 0.5 and 1.
        min_pairs: at least 2.

    Raises:
        InputError: a difference that is not finite, a margin that is negative or not finite, or a
            bad ``confidence`` or ``min_pairs``.
    """
    array = sample(differences, "differences", least=0)
    _check(margin, confidence, min_pairs)
    n = len(array)
    if n < 2:
        interval = Interval(float(array[0]) if n else math.nan, -math.inf, math.inf)
        return Decision(Verdict.UNDECIDED, interval, margin, 1.0, n, _too_few(n, min_pairs))
    mean, error = mean_and_error(array)
    interval = t_interval(mean, error, n, confidence)
    if n < min_pairs:
        verdict, reason = Verdict.UNDECIDED, _too_few(n, min_pairs)
    else:
        narrow = t_interval(mean, error, n, 2 * confidence - 1)
        verdict, reason = _judge(interval, narrow, margin, confidence)
    return Decision(verdict, interval, margin, paired_p_value(array), n, reason)


def _check(margin: float, confidence: float, min_pairs: int) -> None:
    if not (math.isfinite(margin) and margin >= 0):
        raise InputError(f"margin {margin} is not a finite number of at least 0")
    check_confidence(confidence, above=0.5)
    if min_pairs < 2:
        raise InputError(f"min_pairs {min_pairs} is below 2, where nothing can be estimated")


def _judge(
    interval: Interval, narrow: Interval, margin: float, confidence: float
) -> tuple[Verdict, str]:
    wide = _text(interval, confidence)
    inner = _text(narrow, 2 * confidence - 1)
    if margin > 0 and -margin <= narrow.low and narrow.high <= margin:
        return Verdict.SIMILAR, f"The {inner} lies within the margin of {margin:g} around 0."
    if interval.low > 0:
        return Verdict.BETTER, f"The {wide} lies above 0."
    if interval.high < 0:
        return Verdict.WORSE, f"The {wide} lies below 0."
    if margin == 0:
        return Verdict.UNDECIDED, f"The {wide} contains 0, and no margin makes the arms similar."
    return (
        Verdict.UNDECIDED,
        f"The {wide} contains 0, and the {inner} is not within the margin of {margin:g} around 0.",
    )


def _text(interval: Interval, confidence: float) -> str:
    ends = f"[{interval.low:.4g}, {interval.high:.4g}]"
    return f"{100 * confidence:g} % interval {ends} of the mean difference"


def _too_few(n: int, min_pairs: int) -> str:
    return f"There are too few pairs: {n} of at least {min_pairs}."
