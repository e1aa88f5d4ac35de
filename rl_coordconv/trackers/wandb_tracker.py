"""Weights & Biases. ``WANDB_MODE=offline`` keeps all in ``wandb/``, for ``wandb sync`` later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl_coordconv.trackers.spec import Number, TrackedRun, Tracker, TrackerSpec

GLOBAL_STEP = "global_step"
"""Beside each row, as the RL Zoo's runs have it through TensorBoard."""


class WandbTracker:
    """A run in Weights & Biases.

    Args:
        run: what is tracked.
    """

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        self._run: Any = wandb.init(
            project=run.project,
            entity=run.entity,
            group=run.group,
            tags=list(run.tags) or None,
            id=run.id,
            name=run.id,
            resume="allow",
            config=dict(run.config),
        )

    def log(self, values: Mapping[str, Number], step: int) -> None:
        """Send a row; see `Tracker.log`."""
        self._run.log({**values, GLOBAL_STEP: step}, step=step)

    def finish(self, *, is_done: bool) -> None:
        """Close the run; one that is not done is marked as failed until it is continued."""
        self._run.finish(exit_code=0 if is_done else 1)


def _open(run: TrackedRun) -> Tracker:
    return WandbTracker(run)


SPEC = TrackerSpec("wandb", package="wandb", extra="wandb", open=_open)
