"""Student's t distribution: scipy's, with errors that name the value."""

from __future__ import annotations

import math
from functools import lru_cache

from scipy import stats

from rl_coordconv._util.errors import InputError


def t_cdf(t: float, df: float) -> float:
    """Return the probability that Student's t with ``df`` degrees of freedom is at most ``t``.

    Args:
        t: any number, infinities included.
        df: degrees of freedom, > 0; need not be whole.

    Returns:
        Accurate to 1e-9.

    Raises:
        InputError: ``t`` is NaN or ``df`` is not positive.
    """
    _check(t, df)
    return float(stats.t.cdf(t, df))


def two_sided_tail(t: float, df: float) -> float:
    """Return the probability that Student's t is at least as far from 0 as ``t``.

    Small probabilities keep their relative accuracy, which ``1 - t_cdf`` would lose.

    Raises:
        InputError: ``t`` is NaN or ``df`` is not positive.
    """
    _check(t, df)
    return 2 * float(stats.t.sf(abs(t), df))


def _check(t: float, df: float) -> None:
    if math.isnan(t) or not df > 0:
        raise InputError(f"t {t} must be a number and the degrees of freedom {df} positive")


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """Return the t that Student's t with ``df`` degrees of freedom exceeds with probability 1 - p.

    Args:
        p: probability, 0 to 1; the ends give infinities.
        df: degrees of freedom, > 0.

    Returns:
        Accurate to 1e-9, relatively where it is large.

    Raises:
        InputError: ``p`` is not a probability or ``df`` is not positive.
    """
    if not 0 <= p <= 1 or not df > 0:
        raise InputError(f"p {p} must be between 0 and 1 and the degrees of freedom {df} positive")
    # The median exactly, which scipy 1.13 misses by a rounding.
    return 0.0 if p == 0.5 else float(stats.t.ppf(p, df))
