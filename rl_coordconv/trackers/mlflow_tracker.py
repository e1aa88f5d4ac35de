"""MLflow: a server or files, wherever ``MLFLOW_TRACKING_URI`` says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from rl_coordconv.trackers.spec import Number, TrackedRun, Tracker, TrackerSpec

ID_TAG = "rl_coordconv.run"
"""MLflow chooses its runs' ids itself; by this tag a run is found again."""
_MOST_CHARACTERS = 500
"""Of a parameter; older servers take no more."""


class MlflowTracker:
    """A run in MLflow; the project is an experiment there.

    Args:
        run: what is tracked. MLflow has neither entities nor groups: they are tags.
    """

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient()
        found = self._client.get_experiment_by_name(run.project)
        experiment = found.experiment_id if found else self._client.create_experiment(run.project)
        self._id = self._find(experiment, run.id) or self._create(experiment, run)
        self._client.update_run(self._id, status="RUNNING")

    def _find(self, experiment: str, run_id: str) -> str | None:
        where = f"tags.`{ID_TAG}` = '{run_id}'"
        runs = self._client.search_runs([experiment], filter_string=where, max_results=1)
        return runs[0].info.run_id if runs else None

    def _create(self, experiment: str, run: TrackedRun) -> str:
        from mlflow.entities import Param

        named = {"entity": run.entity, "group": run.group, "tags": ", ".join(run.tags)}
        tags = {ID_TAG: run.id} | {key: value for key, value in named.items() if value}
        made = self._client.create_run(experiment, tags=tags, run_name=run.id)
        params = [Param(key, str(value)[:_MOST_CHARACTERS]) for key, value in _flat(run.config)]
        self._client.log_batch(made.info.run_id, params=params)
        found: str = made.info.run_id
        return found

    def log(self, values: Mapping[str, Number], step: int) -> None:
        """Send a row; see `Tracker.log`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now, step) for key, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def finish(self, *, is_done: bool) -> None:
        """Close the run; one that is not done is marked as killed until it is continued."""
        self._client.set_terminated(self._id, status="FINISHED" if is_done else "KILLED")


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested data, by keys with dots."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _open(run: TrackedRun) -> Tracker:
    return MlflowTracker(run)


SPEC = TrackerSpec("mlflow", package="mlflow", extra="mlflow", open=_open)
