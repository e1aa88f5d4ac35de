"""Tests of paired differences, and what many of them at once are worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics.arrays import Numbers, finite, sample
from rl_coordconv.statistics.intervals import mean_and_error
from rl_coordconv.statistics.student import two_sided_tail


def paired_p_value(differences: ArrayLike) -> float:
    """Return the two-sided p-value of Student's paired t test: that the mean difference is 0.

    Args:
        differences: (n,) one number a pair, n >= 2.

    Returns:
        0 to 1. Differences that are all the same give 0.0, or 1.0 where they are all zero.

    Raises:
        InputError: fewer than two differences, or one that is not finite.
    """
    array = sample(differences, "differences", least=2)
    mean, error = mean_and_error(array)
    if error == 0:
        return float(mean == 0)
    return two_sided_tail(mean / error, len(array) - 1)


def holm(p_values: ArrayLike) -> Numbers:
    """Adjust p-values for having made several tests (Holm 1979).

    Rejecting where the adjusted value is at most 5 % makes one false rejection or more in at most
    5 % of such families of tests, however the tests depend on each other.

    Args:
        p_values: (tests,) p-values, in any order.

    Returns:
        (tests,) adjusted p-values in the same order.

    Raises:
        InputError: a value that is not between 0 and 1, or more than one dimension.
    """
    array = finite(p_values, "p-values")
    if array.ndim != 1 or (array < 0).any() or (array > 1).any():
        raise InputError("the p-values must be one-dimensional and between 0 and 1")
    order = np.argsort(array)
    raised = array[order] * np.arange(len(array), 0, -1)
    adjusted = np.empty_like(array)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted
