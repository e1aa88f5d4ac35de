"""A run's saved policy, as far as it is told of without being built."""

from __future__ import annotations

from rl_coordconv._util.links import is_there
from rl_coordconv.agents.weights import count_weights
from rl_coordconv.runs.directory import RunDirectory


def count_parameters(run: RunDirectory) -> int | None:
    """Count the numbers of a run's saved policy; None where nothing was saved yet.

    Raises:
        InputError: the file is damaged.
    """
    return count_weights(run.weights_file) if is_there(run.weights_file) else None
