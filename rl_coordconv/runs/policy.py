"""A run's saved policy, as far as it is told of without being built."""

from __future__ import annotations

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.links import is_there
from rl_coordconv.agents.weights import count_weights
from rl_coordconv.runs.directory import RunDirectory


def check_saved(run: RunDirectory) -> None:
    """Refuse a run that has no saved policy.

    Raises:
        InputError: says why it may have none.
    """
    if not is_there(run.policy_file):
        raise InputError(
            f"{run.path} holds no saved policy: {run.policy_file.name} is missing (status: "
            f"{run.status().state}); it is written when the training ends or is stopped with Ctrl-C"
        )


def count_parameters(run: RunDirectory) -> int | None:
    """Count the numbers of a run's saved policy; None where nothing was saved yet.

    Raises:
        InputError: the file is damaged.
    """
    return count_weights(run.weights_file) if is_there(run.weights_file) else None
