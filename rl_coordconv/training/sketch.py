"""Terminal plot of a learning curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, HEIGHT = 60, 8
"""Characters."""
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " #"
"""For terminals that know no other characters."""


def sketch_curve(
    steps: ArrayLike,
    returns: ArrayLike,
    budget: int,
    *,
    floor: float | None = None,
    encoding: str = "utf-8",
) -> list[str]:
    """Draw the mean return of the episodes that ended in each stretch of a training.

    Args:
        steps: (episodes,) agent steps at the end of each, ascending.
        returns: (episodes,) their returns.
        budget: agent steps of the whole training, at the right edge.
        floor: a return that shall be at the bottom unless less was reached, for example a random
            agent's; None for the least that was.
        encoding: of the terminal.

    Returns:
        Lines of text; none before two stretches have episodes in them.
    """
    means = _means(np.asarray(steps), np.asarray(returns, dtype=np.float64), budget)
    known = means[np.isfinite(means)]
    if len(known) < 2:
        return []
    low = float(known.min() if floor is None else min(floor, known.min()))
    high = float(known.max())
    marks = _BLOCKS if _can_show(_BLOCKS, encoding) else _PLAIN
    rows = _rows(means, low, high, marks)
    labels = [f"{high:.4g}", *[""] * (HEIGHT - 2), f"{low:.4g}"]
    width = max(map(len, labels))
    lines = [f"  {label:>{width}} |{row}" for label, row in zip(labels, rows, strict=True)]
    end = f"{budget:,} agent steps"
    return [*lines, f"  {'':>{width}} 0{end:>{WIDTH}}"]


def _means(
    steps: NDArray[np.integer], returns: NDArray[np.float64], budget: int
) -> NDArray[np.float64]:
    """Return the mean of each column, that of the one before where no game ended: (WIDTH,)."""
    columns = np.minimum(np.maximum(steps - 1, 0) * WIDTH // max(budget, 1), WIDTH - 1)
    means = np.full(WIDTH, np.nan)
    last = int(columns.max()) if len(columns) else -1
    for column in range(last + 1):
        mine = returns[columns == column]
        if len(mine):
            means[column] = mine.mean()
        elif column:
            means[column] = means[column - 1]
    return means


def _rows(means: NDArray[np.float64], low: float, high: float, marks: str) -> list[str]:
    """Return the picture's rows from top to bottom; a column shows at least the smallest mark."""
    finest = len(marks) - 1
    span = high - low or 1.0
    heights = np.maximum(np.rint((means - low) / span * HEIGHT * finest), 1)
    filled = np.where(np.isfinite(means), heights, 0).astype(int)
    return [
        "".join(marks[min(max(height - finest * row, 0), finest)] for height in filled).rstrip()
        for row in reversed(range(HEIGHT))
    ]


def _can_show(text: Sequence[str] | str, encoding: str) -> bool:
    try:
        "".join(text).encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
