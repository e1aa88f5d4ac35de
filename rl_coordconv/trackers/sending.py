"""A run's rows on their way to a tracker: only finite numbers, steps that never go back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from rl_coordconv.runs import Evaluation, RunDirectory
from rl_coordconv.runs.metrics import STEP, is_finite, read_metrics
from rl_coordconv.runs.tracking import Place, load_tracking, save_tracking
from rl_coordconv.trackers.registry import find_tracker
from rl_coordconv.trackers.spec import Number, TrackedRun, Tracker

MAX_ID = 100
"""Characters: Weights & Biases takes 128."""
_UNFIT = re.compile(r"[^A-Za-z0-9._=+-]")
_HASH = 8


def run_id(run: RunDirectory) -> str:
    """Return a run's id in every tracker: its directory's name, which holds the hash of what it is.

    Whatever a tracker would not take of a name is replaced; a name that was changed ends in a hash
    of the whole, so that two of them do not become the same.
    """
    name = run.path.resolve().name
    fit = _UNFIT.sub("-", name)[:MAX_ID]
    if fit == name:
        return name
    digest = hashlib.sha256(name.encode("utf8", "surrogateescape")).hexdigest()[:_HASH]
    return f"{fit[: MAX_ID - _HASH - 1]}-{digest}"


def numbers_of(row: Mapping[str, Any]) -> dict[str, Number]:
    """Return what of a row of ``metrics.jsonl`` a tracker takes: finite numbers but the step."""
    return {key: value for key, value in row.items() if key != STEP and is_finite(value)}


class Sender:
    """Sends one run to one place, and remembers in ``tracking.json`` how far it has come.

    Args:
        run: the run.
        place: where it is tracked.
        is_live: whether this process trains the run.

    Attributes:
        sent: rows so far.

    Raises:
        Exception: whatever the tracker's client raises; of ours, InputError.
    """

    def __init__(self, run: RunDirectory, place: Place, *, is_live: bool = False) -> None:
        self._run, self.sent = run, 0
        record, rows = load_tracking(run), read_metrics(run.metrics_file)
        self._state = record.at(place)
        if self._state.is_open and rows:  # by an attempt that was killed
            reached = max(self._state.last_step, rows[-1][STEP])
            self._state = self._state.model_copy(update={"last_step": reached})
        tracked = TrackedRun(
            run_id(run), place.project, place.entity, place.group, place.tags,
            run.config().model_dump(mode="json"),
        )  # fmt: skip
        self._tracker: Tracker = find_tracker(place.tracker).open(tracked)
        self._remember(is_open=is_live, current=place.tracker if is_live else None)
        self._floor = self._state.last_step

    def catch_up(self) -> None:
        """Send the rows that ``metrics.jsonl`` has and the tracker has not."""
        for row in read_metrics(self._run.metrics_file):
            self.send(row, row[STEP])
        self._floor = self._state.last_step

    def send(self, values: Mapping[str, Any], step: int) -> None:
        """Send a row, unless it, or a later one, was sent before."""
        numbers = numbers_of(values)
        if step > self._floor and step >= self._state.last_step and numbers:
            self._send(numbers, step)

    def send_evaluation(self, evaluation: Evaluation) -> None:
        """Send the evaluation after training, once, at the step at which it was made."""
        steps = evaluation.num_timesteps
        if self._state.evaluated_at != steps:
            self._send(evaluation.scalars(), max(steps, self._state.last_step))
            self._state = self._state.model_copy(update={"evaluated_at": steps})

    def _send(self, numbers: Mapping[str, Number], step: int) -> None:
        self._tracker.log(numbers, step)
        self._state = self._state.model_copy(update={"last_step": step})
        self.sent += 1

    def finish(self, *, is_done: bool) -> None:
        """Close the run in the tracker, and write down how far it has come."""
        self._tracker.finish(is_done=is_done)
        self.close()

    def close(self) -> None:
        """Write down how far it has come."""
        self._remember(is_open=False)

    def _remember(self, *, is_open: bool, current: str | None = None) -> None:
        self._state = self._state.model_copy(update={"is_open": is_open})
        record = load_tracking(self._run).with_tracked(self._state)
        if current is not None:
            record = record.model_copy(update={"current": current})
        save_tracking(self._run, record)
