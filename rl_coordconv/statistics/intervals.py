"""Estimates with what they may be off by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv.statistics.arrays import Numbers, check_confidence, sample
from rl_coordconv.statistics.student import t_quantile


@dataclass(frozen=True)
class Interval:
    """An estimate and the confidence interval around it, in the units of what was estimated."""

    estimate: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """The distance from ``low`` to ``high``."""
        return self.high - self.low

    def contains(self, x: float) -> bool:
        """Whether ``x`` lies in the interval; both ends belong to it."""
        return self.low <= x <= self.high


class Band(NamedTuple):
    """Intervals at many points, each pointwise: (points,) estimate, low end and high end."""

    estimate: Numbers
    low: Numbers
    high: Numbers


def mean_and_error(values: Numbers) -> tuple[float, float]:
    """Return the mean of (n,) values, n >= 2, and its standard error."""
    # The mean of n equal floats can differ from them in the last bit; that is not variation.
    if np.ptp(values) == 0:
        return float(values[0]), 0.0
    # The square of a tiny number is zero; a power of two scales without rounding.
    exponent = int(np.frexp(np.abs(values).max())[1])
    scaled = np.ldexp(values, -exponent)
    error = float(scaled.std(ddof=1)) / len(values) ** 0.5
    return math.ldexp(float(scaled.mean()), exponent), math.ldexp(error, exponent)


def t_interval(mean: float, error: float, n: int, confidence: float) -> Interval:
    """Return Student's interval around a mean of ``n`` values with this standard error."""
    half = t_quantile((1 + confidence) / 2, n - 1) * error
    return Interval(mean, mean - half, mean + half)


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Estimate a mean with Student's t interval ("The probable error of a mean", 1908).

    It holds its confidence for as few as two values when these are normally distributed, which a
    bootstrap of so few does not.

    Args:
        values: (n,) independent values, n >= 2.
        confidence: the share of such intervals that contain the true mean.

    Raises:
        InputError: fewer than two values, one that is not finite, or a confidence outside (0, 1).
    """
    array = sample(values, "values", least=2)
    check_confidence(confidence)
    return t_interval(*mean_and_error(array), len(array), confidence)
