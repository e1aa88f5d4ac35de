"""Numbers as a reader wants them: as many digits as mean something, a dash for none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rl_coordconv.statistics import Interval

NONE = "-"


def number(value: float | None, *, signed: bool = False) -> str:
    """Write a number with about three digits that mean something."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or size == 0 else 3
    # A sum with zero turns a rounded -0.0 into 0.0.
    return f"{round(value, digits) + 0.0:{'+' if signed else ''},.{digits}f}"


def interval(value: Interval | None, *, signed: bool = False) -> str:
    """Write an estimate with its interval; the estimate alone where there is no interval."""
    if value is None:
        return NONE
    text = number(value.estimate, signed=signed)
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return text
    return f"{text} [{number(value.low, signed=signed)}, {number(value.high, signed=signed)}]"


def rough(value: float | None) -> str:
    """Write a number with two digits that mean something, for what was measured in passing."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    digits = 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


FEW_PAIRS = 5
"""A bootstrap of fewer pairs shows too little spread, often none."""


def share(value: Interval | None, pairs: int) -> str:
    """Write a probability with its interval; alone where there is none, or of too few pairs."""
    if value is None:
        return NONE
    if pairs < FEW_PAIRS or not (math.isfinite(value.low) and math.isfinite(value.high)):
        return f"{value.estimate:.2f}"
    return f"{value.estimate:.2f} [{value.low:.2f}, {value.high:.2f}]"


def p_value(value: float | None) -> str:
    """Write a p-value."""
    if value is None:
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def steps(value: float | None) -> str:
    """Write a number of agent steps."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value:,.0f}"


def reached(values: Sequence[float]) -> str:
    """Write the median of the steps to a threshold, and how many runs reached it."""
    if not values:
        return NONE
    middle, count = float(np.median(values)), sum(map(math.isfinite, values))
    text = steps(middle) if math.isfinite(middle) else "not reached"
    return text if count in (0, len(values)) else f"{text} ({count} of {len(values)} did)"


def duration(seconds: float) -> str:
    """Write a duration."""
    if seconds <= 0:
        return NONE
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02d} min"


def seeds(values: Sequence[int]) -> str:
    """Write seeds, runs of neighbours as a range."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    texts = [str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts]
    return ", ".join(texts) or NONE
