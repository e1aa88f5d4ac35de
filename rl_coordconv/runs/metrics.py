"""Metric logging to ``metrics.jsonl`` and TensorBoard, both resumable after an interruption."""

from __future__ import annotations

import json
import math
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from stable_baselines3.common.logger import (
    KVWriter,
    Logger,
    TensorBoardOutputFormat,
    filter_excluded_keys,
)

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import naming, write_text
from rl_coordconv._util.links import is_there, refuse_link
from rl_coordconv._util.reading import open_file, read_bytes
from rl_coordconv.runs.evaluation import Evaluation
from rl_coordconv.runs.limits import MAX_STEP
from rl_coordconv.runs.lines import complete_lines

STEP = "step"
"""The key of a line's agent step count in ``metrics.jsonl``."""
_TAIL_BYTES = 16384
"""More than a dump takes."""


class MetricsWriter(KVWriter):
    """Append one JSON object a dump to ``metrics.jsonl``; keys are SB3's own tag names."""

    def __init__(self, path: Path) -> None:
        refuse_link(path)
        self._path, self._file = path, path.open("a", encoding="utf8")

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Write one line; it is flushed, so that a reader sees it and a crash keeps it."""
        values = filter_excluded_keys(key_values, key_excluded, "json")
        row = {STEP: step} | {key: plain_number(value) for key, value in sorted(values.items())}
        with naming(self._path):
            self._file.write(json.dumps(row, allow_nan=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def plain_number(value: Any) -> float | int | str | None:
    """Turn a logged scalar into JSON, which has no word for what is not finite: null then."""
    if isinstance(value, str):
        return value
    number = value.item() if hasattr(value, "item") else value
    return number if math.isfinite(number) else None


class _ResumableTensorBoard(TensorBoardOutputFormat):
    """SB3's TensorBoard output, which on resuming hides what an earlier attempt wrote beyond."""

    def __init__(self, folder: Path, resumed_at: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Also in a run that begins anew: an attempt that failed early may have left events behind.
        purge_step = (resumed_at or 0) + 1
        self.writer = SummaryWriter(log_dir=str(folder), purge_step=purge_step)
        self._is_closed = False


def log_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Show an evaluation in TensorBoard, under the names of SB3's ``EvalCallback``.

    Args:
        folder: where the run's TensorBoard files are.
        evaluation: what is shown, at the agent step at which it was made.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(log_dir=str(folder)) as writer:
        for tag, value in evaluation.scalars().items():
            writer.add_scalar(tag, value, evaluation.num_timesteps)


def open_logger(
    folder: Path,
    metrics_file: Path,
    *,
    resumed_at: int | None,
    also: Sequence[KVWriter] = (),
) -> Logger:
    """Open a run's logger.

    Args:
        folder: where the TensorBoard events go.
        metrics_file: the ``metrics.jsonl`` to append to.
        resumed_at: the agent step of the checkpoint that the run goes on from, or None for a new
            run; what was logged after that step is dropped: those steps are about to be repeated.
        also: other writers.
    """
    truncate_metrics(metrics_file, resumed_at or 0)
    writers = [MetricsWriter(metrics_file), _ResumableTensorBoard(folder, resumed_at), *also]
    return Logger(str(folder), output_formats=writers)


@contextmanager
def writer_failures_told_once() -> Iterator[None]:
    """Keep TensorBoard's thread from printing a traceback, of a full disk for example.

    The next call of its writer raises the same error where training sees it.
    """

    def tell(args: threading.ExceptHookArgs) -> None:
        if not type(args.thread).__module__.startswith("tensorboard."):
            before(args)

    before, threading.excepthook = threading.excepthook, tell
    try:
        yield
    finally:
        threading.excepthook = before


def truncate_metrics(path: Path, last_step: int) -> None:
    """Drop the lines after an agent step, and what a crash has left that is no line of ours."""
    if not is_there(path):
        return
    lines = _complete_lines_of(path)
    rows = [(line, row) for line in lines if (row := _row_in(line)) is not None]
    damaged = sum(line is None or bool(line.strip()) for line in lines) - len(rows)
    if damaged:
        warnings.warn(f"{path}: {damaged} damaged lines were dropped", stacklevel=2)
    write_text(path, "".join(f"{line}\n" for line, row in rows if row[STEP] <= last_step))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``: one dictionary a dump, in order; each has an agent step.

    Lines that are cut short or damaged are left out.

    Raises:
        InputError: the file cannot be read, or its steps go backwards.
    """
    rows = map(_row_in, _complete_lines_of(path)) if is_there(path) else ()
    found = [row for row in rows if row is not None]
    for before, after in pairwise(found):
        if after[STEP] < before[STEP]:
            raise InputError(
                f"{path} is damaged: its steps go backwards, from {before[STEP]:,} to "
                f"{after[STEP]:,}"
            )
    return found


def newest_metric(path: Path, tag: str) -> float | None:
    """Return the newest number under a tag near the end of a ``metrics.jsonl``.

    Returns:
        None where there is none, or no file that can be read.
    """
    try:
        with open_file(path) as file:
            start = max(0, path.stat().st_size - _TAIL_BYTES)
            file.seek(start)
            content = file.read(2 * _TAIL_BYTES)
    except (OSError, InputError):
        return None
    if start:  # in the middle of a line
        content = content.partition(b"\n")[2]
    for line in reversed(complete_lines(content)):
        row = _row_in(line)
        value = None if row is None else row.get(tag)
        if is_finite(value):
            return float(value)
    return None


def is_finite(value: Any) -> TypeGuard[int | float]:
    """Tell whether a value of a row is a number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _complete_lines_of(path: Path) -> list[str | None]:
    return complete_lines(read_bytes(path))


def _row_in(line: str | None) -> dict[str, Any] | None:
    """Return the row that a whole line holds: an object with an agent step, numbers and words."""
    if line is None:
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = row.get(STEP) if isinstance(row, dict) else None
    is_step = isinstance(step, int) and not isinstance(step, bool) and 0 <= step < MAX_STEP
    return row if is_step and all(map(_is_loggable, row.values())) else None


def _is_loggable(value: Any) -> bool:
    """Tell whether `MetricsWriter` may have written a value: null stands for what is not finite."""
    return value is None or isinstance(value, str | bool) or is_finite(value)
