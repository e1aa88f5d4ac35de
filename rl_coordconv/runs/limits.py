"""What numbers in a run's files may be: what is beyond was never measured."""

from __future__ import annotations

MAX_RUNS = 20_000
"""Of a sweep."""
LARGEST_SCORE = 1e30
"""Of a game, either side of zero: its square can still be summed up."""
MAX_STEP = 2**53
"""Agent steps: every one of them is a float of its own."""
MAX_SECONDS = 1e12
"""Of a training."""
