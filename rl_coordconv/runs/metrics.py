"""Curves: ``metrics.jsonl`` and TensorBoard events, both able to go on after an interruption."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import (
    KVWriter,
    Logger,
    TensorBoardOutputFormat,
    filter_excluded_keys,
)

from rl_coordconv.files import write_text

STEP = "step"
"""The key of a line's agent step count in ``metrics.jsonl``."""


class MetricsWriter(KVWriter):
    """Append one JSON object a dump to ``metrics.jsonl``; keys are SB3's own tag names."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf8")

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Write one line; it is flushed, so that a reader sees it and a crash keeps it."""
        values = filter_excluded_keys(key_values, key_excluded, "json")
        row = {STEP: step} | {key: _plain(value) for key, value in sorted(values.items())}
        self._file.write(json.dumps(row, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _plain(value: Any) -> float | int | str | None:
    """Turn a logged scalar into JSON, which has no word for what is not finite: null then."""
    if isinstance(value, str):
        return value
    number = value.item() if hasattr(value, "item") else value
    return number if math.isfinite(number) else None


class _ResumableTensorBoard(TensorBoardOutputFormat):
    """SB3's TensorBoard output, which on resuming hides what an earlier attempt wrote beyond."""

    def __init__(self, folder: Path, resumed_at: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Also in a run that begins anew: an attempt that died early may have left events behind.
        purge_step = (resumed_at or 0) + 1
        self.writer = SummaryWriter(log_dir=str(folder), purge_step=purge_step)
        self._is_closed = False


def open_logger(folder: Path, metrics_file: Path, *, resumed_at: int | None) -> Logger:
    """Open a run's logger.

    Args:
        folder: where the TensorBoard events go.
        metrics_file: the ``metrics.jsonl`` to append to.
        resumed_at: the agent step of the checkpoint that the run goes on from, or None for a new
            run; what was logged after that step is dropped, since it is about to be lived again.
    """
    truncate_metrics(metrics_file, resumed_at or 0)
    writers = [MetricsWriter(metrics_file), _ResumableTensorBoard(folder, resumed_at)]
    return Logger(str(folder), output_formats=writers)


def truncate_metrics(path: Path, last_step: int) -> None:
    """Drop the lines after an agent step, and a line that a crash cut short."""
    if not path.exists():
        return
    kept = [json.dumps(row) for row in read_metrics(path) if row[STEP] <= last_step]
    write_text(path, "".join(f"{line}\n" for line in kept))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``: one dictionary a dump, in order, without an unfinished last line."""
    if not path.exists():
        return []
    rows = []
    lines = path.read_text(encoding="utf8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise
    return rows
