"""Tracking a training while it runs, which it survives whatever becomes of the tracker."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

from stable_baselines3.common.logger import KVWriter, filter_excluded_keys

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.random_states import kept_random_states
from rl_coordconv.runs import Evaluation, RunDirectory
from rl_coordconv.runs.metrics import plain_number
from rl_coordconv.runs.tracking import Place, load_tracking
from rl_coordconv.trackers.sending import Sender


def choose_place(run: RunDirectory, asked: Place | None) -> Place | None:
    """Return where a training is tracked: where it is asked to be, else where it was before."""
    if asked is not None:
        return asked
    try:
        record = load_tracking(run)
    except InputError as error:
        warnings.warn(f"{error}; the training is not tracked", stacklevel=2)
        return None
    tracked = record.of(record.current) if record.current else None
    return tracked.place if tracked is not None else None


class LiveTracking(KVWriter):
    """Sends what a training logs, row by row; after its first failure, nothing more.

    No random number is drawn from the training's generators.

    Args:
        run: held by this process.
        place: where it is tracked; None for nowhere.
    """

    def __init__(self, run: RunDirectory, place: Place | None) -> None:
        self._name = place.tracker if place else ""
        self._sender: Sender | None = None
        if place is not None:
            self._try(lambda: self._open(run, place))

    def _open(self, run: RunDirectory, place: Place) -> None:
        self._sender = Sender(run, place, is_live=True)
        self._sender.catch_up()

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Send a row; see stable-baselines3's `KVWriter`."""
        if (sender := self._sender) is not None:
            values = filter_excluded_keys(key_values, key_excluded, "json")
            row = {key: plain_number(value) for key, value in sorted(values.items())}
            self._try(lambda: sender.send(row, step))

    def close(self) -> None:
        """Leave the run open in the tracker: the evaluation is still to come."""

    def send_evaluation(self, evaluation: Evaluation) -> None:
        """Send the evaluation after training."""
        if (sender := self._sender) is not None:
            self._try(lambda: sender.send_evaluation(evaluation))

    def finish(self, *, is_done: bool) -> None:
        """Close the run in the tracker."""
        if (sender := self._sender) is not None:
            self._try(lambda: sender.finish(is_done=is_done))
            self._sender = None

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            with kept_random_states():
                act()
        except Exception as error:  # whatever the client of a service raises
            first = str(error).strip().partition("\n")[0]
            warnings.warn(
                f"{self._name} failed, and the training goes on without it: "
                f"{type(error).__name__}: {first} (rl-coordconv track RUN_DIR --to {self._name} "
                "uploads a finished run)",
                stacklevel=2,  # of this package, so that the command line tells it as a note
            )
            sender, self._sender = self._sender, None
            if sender is not None:
                with contextlib.suppress(OSError, InputError):
                    sender.close()
