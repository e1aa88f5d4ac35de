"""Student's t distribution, without scipy.

The tail is a regularised incomplete beta function, computed by its continued fraction (Abramowitz
and Stegun 26.5.8 and 26.7.1) with Lentz's method.
"""

from __future__ import annotations

import math
from functools import lru_cache

from rl_coordconv._util.errors import InputError

_TINY = 1e-300
_MANY = 1e5
"""Degrees of freedom above which the normal distribution, corrected, is exact enough."""


def t_cdf(t: float, df: float) -> float:
    """Return the probability that Student's t with ``df`` degrees of freedom is at most ``t``.

    Args:
        t: any number, infinities included.
        df: degrees of freedom, > 0; need not be whole.

    Returns:
        Accurate to 1e-10.

    Raises:
        InputError: ``t`` is NaN or ``df`` is not positive.
    """
    tail = two_sided_tail(t, df) / 2
    return tail if t < 0 else 1 - tail


def two_sided_tail(t: float, df: float) -> float:
    """Return the probability that Student's t is at least as far from 0 as ``t``.

    Small probabilities keep their relative accuracy, which ``1 - t_cdf`` would lose.

    Raises:
        InputError: ``t`` is NaN or ``df`` is not positive.
    """
    if math.isnan(t) or not df > 0:
        raise InputError(f"t {t} must be a number and the degrees of freedom {df} positive")
    t = abs(t)
    if math.isinf(t):
        return 0.0
    if df > _MANY:
        return math.erfc(t / math.sqrt(2)) + 2 * _normal_density(t) * _correction(t, df)
    near = t * t / (df + t * t)
    far = df / (df + t * t)
    return _incomplete_beta(df / 2, 0.5, far, near)


def _correction(t: float, df: float) -> float:
    # Fisher's expansion in 1/df (1925). So far out that a power overflows, the density is 0 anyway.
    t = min(t, 100.0)
    return (t**3 + t) / (4 * df) + (3 * t**7 - 7 * t**5 - 5 * t**3 - 3 * t) / (96 * df) / df


def _normal_density(t: float) -> float:
    return math.exp(-t * t / 2) / math.sqrt(2 * math.pi)


def _density(t: float, df: float) -> float:
    if df > _MANY:
        return _normal_density(t) * (1 + (t**4 - 2 * t**2 - 1) / (4 * df))
    scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    return math.exp(scale - (df + 1) / 2 * math.log1p(t * t / df))


def _incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """Return I_x(a, b); ``y`` is 1 - x, passed so that neither end is rounded away."""
    if x == 0 or y == 0:
        return float(y == 0)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    factor = math.exp(front + a * math.log(x) + b * math.log(y))
    # The fraction converges fast on one side of the mean only; the other is its mirror image.
    if x < (a + 1) / (a + b + 2):
        return factor * _beta_fraction(a, b, x) / a
    return 1 - factor * _beta_fraction(b, a, y) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            result *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


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
    if p in (0, 1):
        return math.copysign(math.inf, p - 0.5)
    return math.copysign(_upper_quantile(min(p, 1 - p), df), p - 0.5)


def _upper_quantile(tail: float, df: float) -> float:
    # Right of 0 the tail is convex and falls, so that Newton's method from 0 never overshoots.
    t = 0.0
    for _ in range(10_000):
        step = (two_sided_tail(t, df) / 2 - tail) / _density(t, df)
        t += step
        if step <= 1e-14 * t:
            break
    return t
