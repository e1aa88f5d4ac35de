"""trackio, which keeps runs on this machine (``TRACKIO_DIR``) unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl_coordconv.trackers.spec import Number, TrackedRun, Tracker, TrackerSpec


class TrackioTracker:
    """A run in trackio, which knows a run by its name.

    Args:
        run: what is tracked. trackio has neither entities nor tags: they are kept beside the
            configuration.
    """

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        self._run: Any = trackio.init(
            project=run.project,
            name=run.id,
            group=run.group,
            config={**run.config, "tags": list(run.tags), "entity": run.entity},
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, values: Mapping[str, Number], step: int) -> None:
        """Send a row; see `Tracker.log`."""
        self._run.log(dict(values), step=step)

    def finish(self, *, is_done: bool) -> None:
        """Close the run."""
        self._run.finish()


def _open(run: TrackedRun) -> Tracker:
    return TrackioTracker(run)


SPEC = TrackerSpec("trackio", package="trackio", extra="trackio", open=_open)
