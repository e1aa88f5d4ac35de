"""Learning curves as numbers: on a common grid, their mean height, and when they reach a score.

A curve is a step function throughout: a value holds from its step until the next one. It is known
from then on, and a line drawn between two games would use what the later one has yet to show.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics.arrays import Numbers, check_confidence, sample
from rl_coordconv.statistics.intervals import Band
from rl_coordconv.statistics.student import t_quantile


def on_grid(steps: ArrayLike, values: ArrayLike, grid: ArrayLike) -> Numbers:
    """Read a curve off at the points of a grid.

    Args:
        steps: (n,) in ascending order; of several values at one step the last counts.
        values: (n,) the curve.
        grid: (points,) steps, in any order.

    Returns:
        (points,) the last value at or before each point, NaN before the first.

    Raises:
        InputError: no values, steps that descend, different lengths, or numbers not finite.
    """
    known, heights = _curve(steps, values)
    last = np.searchsorted(known, sample(grid, "grid points", least=0), side="right") - 1
    return np.where(last >= 0, heights[last], np.nan)


def area_under_curve(steps: ArrayLike, values: ArrayLike, budget: float) -> float:
    """Return the mean height of a curve from its first step to the budget.

    The area is that of the step function, whose last value holds until the budget; later values do
    not count.

    Args:
        steps: (n,) in ascending order.
        values: (n,) the curve.
        budget: in steps, beyond the first one.

    Returns:
        In the unit of the values.

    Raises:
        InputError: a budget that is not beyond the first step, or a curve that `on_grid` refuses.
    """
    known, heights = _curve(steps, values)
    if not (math.isfinite(budget) and budget > known[0]):
        raise InputError(f"the budget {budget} is not beyond the curve's first step {known[0]:g}")
    edges = np.minimum(np.append(known, budget), budget)
    return float((np.diff(edges) * heights).sum() / (budget - known[0]))


def steps_to_threshold(steps: ArrayLike, values: ArrayLike, threshold: float) -> float:
    """Return the first step at which a curve is at or above a threshold.

    Args:
        steps: (n,) in ascending order.
        values: (n,) the curve.
        threshold: in the unit of the values.

    Returns:
        In steps; infinity if the curve never gets there.

    Raises:
        InputError: a threshold that is NaN, or a curve that `on_grid` refuses.
    """
    known, heights = _curve(steps, values)
    if math.isnan(threshold):
        raise InputError("the threshold is NaN")
    reached = np.flatnonzero(heights >= threshold)
    return float(known[reached[0]]) if len(reached) else math.inf


def curve_band(curves: ArrayLike, confidence: float = 0.95) -> Band:
    """Return the mean of several runs' curves with Student's t interval at each point.

    Args:
        curves: (runs, points) on one grid; NaN where a run has no value, as from `on_grid`.
        confidence: of the interval at each point, not of the band as a whole.

    Returns:
        (points,) mean, low and high over the runs that have a value there. The mean is NaN where
        none has one, low and high where fewer than two have.

    Raises:
        InputError: not two dimensions, an infinity, or a confidence outside (0, 1).
    """
    array = np.asarray(curves, dtype=np.float64)
    if array.ndim != 2 or np.isinf(array).any():
        raise InputError("curves must be (runs, points) numbers, with NaN for missing ones")
    check_confidence(confidence)
    known = ~np.isnan(array)
    count = known.sum(axis=0)
    mean = _ratio(np.where(known, array, 0.0).sum(axis=0), count)
    squares = (np.where(known, array - mean, 0.0) ** 2).sum(axis=0)
    error = np.sqrt(_ratio(_ratio(squares, count - 1), count))
    half = _t_factors(count, confidence) * error
    return Band(mean, mean - half, mean + half)


def _curve(steps: ArrayLike, values: ArrayLike) -> tuple[Numbers, Numbers]:
    known, heights = sample(steps, "steps"), sample(values, "values")
    if len(known) != len(heights):
        raise InputError(f"{len(known)} steps do not match {len(heights)} values")
    if (np.diff(known) < 0).any():
        raise InputError("the steps are not in ascending order")
    return known, heights


def _ratio(over: Numbers, under: np.ndarray) -> Numbers:
    """Divide, with NaN where nothing was counted."""
    return np.where(under > 0, over / np.maximum(under, 1), np.nan)


def _t_factors(count: np.ndarray, confidence: float) -> Numbers:
    factors = np.full(count.shape, np.nan)
    for n in np.unique(count[count >= 2]):
        factors[count == n] = t_quantile((1 + confidence) / 2, float(n - 1))
    return factors
