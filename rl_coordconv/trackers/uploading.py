"""Finished runs, sent to a tracker from their directories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import Evaluation, RunDirectory, RunState, read_metrics
from rl_coordconv.runs.metrics import STEP
from rl_coordconv.runs.record import check_record
from rl_coordconv.runs.tracking import Place, load_tracking
from rl_coordconv.trackers.sending import Sender


class UploadError(Exception):
    """A tracker did not take a run."""


def upload(run: RunDirectory, place: Place) -> int:
    """Send a finished run: every row of ``metrics.jsonl``, and its evaluation.

    Args:
        run: the run.
        place: where to.

    Returns:
        Rows that were sent; those that were sent before are not sent again.

    Raises:
        InputError: the run is not done, or a file of it is damaged.
        UploadError: the tracker's client failed.
    """
    state = run.status().state
    check_record(run, state)
    if state is not RunState.DONE:
        raise InputError(f"{run.path} is {state}: only finished runs are uploaded")
    evaluation = Evaluation.load(run.evaluation_file)
    tracked, rows = load_tracking(run).at(place), read_metrics(run.metrics_file)
    run.config()
    is_new = bool(rows) and rows[-1][STEP] > tracked.last_step
    if not is_new and (evaluation is None or tracked.evaluated_at == evaluation.num_timesteps):
        return 0
    with _refusals():
        sender = Sender(run, place)
    try:
        with _refusals():
            sender.catch_up()
            if evaluation is not None:
                sender.send_evaluation(evaluation)
            sender.finish(is_done=True)
    except UploadError:
        sender.close()  # what was sent is not sent again
        raise
    return sender.sent


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever the client of a service raises
        raise UploadError(f"{type(error).__name__}: {error}") from error
