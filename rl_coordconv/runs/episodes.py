"""``monitor.csv``: a row for each finished training episode, in the format of SB3's ``Monitor``.

A line of JSON behind ``#``, a line with the columns' names, and a row an episode: raw return ``r``,
length ``l`` in emulator frames, seconds ``t`` since the process began, and in our own files
``step``, the agent steps of all environments at the end of the episode. Whoever reads such a file,
to resume, to draw or to compare, reads it here.
"""

from __future__ import annotations

import csv
import json
import re
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_text
from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_bytes
from rl_coordconv.runs.limits import LARGEST_SCORE
from rl_coordconv.runs.lines import complete_lines

COLUMNS = ("r", "l", "t", "step")
"""Of our own files."""
_NAMES = ",".join(COLUMNS)

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(nan|inf)", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
"""What is below `MAX_STEP`."""


class EpisodeRow(NamedTuple):
    """A row of a monitor file: one episode."""

    line: str
    """As it stands in the file."""
    raw_return: float
    length: float
    seconds: float
    step: int | None
    """None in a file without such a column."""


@dataclass(frozen=True)
class MonitorFile:
    """What a monitor file holds.

    Attributes:
        header: SB3's line of JSON; None where it is lost.
        rows: the episodes, in their order.
        damaged: how many whole lines are no rows.
    """

    header: dict[str, Any] | None
    rows: list[EpisodeRow]
    damaged: int


@dataclass(frozen=True)
class Episodes:
    """A run's finished training episodes.

    Attributes:
        steps: (episodes,) agent steps of all environments at the end of each.
        returns: (episodes,) raw return of each.
        damaged: how many lines of the file were left out because they are no rows.
    """

    steps: NDArray[np.int64]
    returns: NDArray[np.float64]
    damaged: int


def read_episodes(path: Path) -> Episodes:
    """Read a run's ``monitor.csv``; no file holds no episodes; a row cut short is not there yet.

    Raises:
        InputError: the file cannot be read, no line of it is a row, a return is not finite, or
            steps go backwards.
    """
    monitor = _read_own(path)
    if monitor.damaged and not monitor.rows:
        raise InputError(f"{path} is damaged: none of its lines is a row of {_NAMES}")
    steps = np.array([row.step for row in monitor.rows], np.int64)
    returns = np.array([row.raw_return for row in monitor.rows], np.float64)
    check_episodes(path, steps, returns)
    return Episodes(steps, returns, monitor.damaged)


def check_episodes(path: Path, steps: NDArray[Any], returns: NDArray[np.float64]) -> None:
    """Refuse episodes that nothing can be computed from.

    Args:
        path: what they were read from, for the message.
        steps: (episodes,) agent steps.
        returns: (episodes,) raw returns.

    Raises:
        InputError: a return is not finite or out of all bounds, or steps go backwards.
    """
    if not (np.abs(returns) <= LARGEST_SCORE).all():
        raise InputError(
            f"{path}: a game's return is not a finite number of at most {LARGEST_SCORE:g}"
        )
    if (np.diff(steps) < 0).any():
        raise InputError(f"{path}: the games' steps go backwards")


def read_monitor(path: Path) -> MonitorFile:
    """Read a monitor file that any program may have written.

    Raises:
        InputError: the file cannot be read, or does not begin as SB3's do.
    """
    lines = complete_lines(read_bytes(path))
    header = _header_in(lines[0]) if lines else None
    if header is None:
        raise InputError(f"{path} does not begin with SB3's line of JSON")
    names = lines[1].split(",") if len(lines) > 1 and lines[1] else []
    if not {"r", "l", "t"} <= set(names):
        raise InputError(f"{path}: its second line does not name the columns r, l and t")
    return _collect(header, names, lines[2:])


def begin_episodes(path: Path, game: str) -> None:
    """Write the file of a training in which no episode has ended yet."""
    _write(path, _new_header(game), [])


def truncate_episodes(path: Path, game: str, last_step: int) -> None:
    """Bring the file to where a checkpoint was: its rows up to an agent step, and a whole head.

    Args:
        path: the file; it may be damaged anywhere, or gone.
        game: for the head, where that is lost.
        last_step: rows after it go, since those episodes are about to be played again.
    """
    monitor = _read_own(path)
    if monitor.damaged:
        warnings.warn(f"{path}: {monitor.damaged} damaged lines were dropped", stacklevel=2)
    kept = [one.line for one in monitor.rows if one.step is not None and one.step <= last_step]
    _write(path, monitor.header or _new_header(game), kept)


def _new_header(game: str) -> dict[str, Any]:
    return {"t_start": time.time(), "env_id": game}


def _write(path: Path, header: dict[str, Any], rows: Sequence[str]) -> None:
    write_text(path, "\n".join([f"#{json.dumps(header)}", _NAMES, *rows, ""]))


def _read_own(path: Path) -> MonitorFile:
    """Read a file whose columns are known even where its head is lost."""
    lines = complete_lines(read_bytes(path)) if is_there(path) else []
    headers = [_header_in(line) for line in lines]
    rows = [
        line
        for line, header in zip(lines, headers, strict=True)
        if header is None and line != _NAMES
    ]
    return _collect(next((one for one in headers if one is not None), None), COLUMNS, rows)


def _header_in(line: str | None) -> dict[str, Any] | None:
    if line is None or not line.startswith("#"):
        return None
    try:
        header = json.loads(line[1:])
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


def _collect(
    header: dict[str, Any] | None, names: Sequence[str], lines: Sequence[str | None]
) -> MonitorFile:
    found = [_row_in(line, names) for line in lines if line is None or line.strip()]
    parsed = [row for row in found if row is not None]
    return MonitorFile(header, parsed, len(found) - len(parsed))


def _row_in(line: str | None, names: Sequence[str]) -> EpisodeRow | None:
    values = _fields(line, names) if line is not None else None
    if line is None or values is None:
        return None
    numbers = [values[name] for name in ("r", "l", "t")]
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        return None
    raw_return, length, seconds = map(float, numbers)
    step = values.get("step")
    is_counted = step is None or _COUNT.fullmatch(step) is not None
    if not is_counted or not 0 <= length < 2**53 or not np.isfinite(seconds):
        return None
    return EpisodeRow(line, raw_return, length, seconds, None if step is None else int(step))


def _fields(line: str, names: Sequence[str]) -> dict[str, str] | None:
    try:
        fields = next(csv.reader([line])) if '"' in line else line.split(",")
    except csv.Error:
        return None
    return dict(zip(names, fields, strict=True)) if len(fields) == len(names) else None
