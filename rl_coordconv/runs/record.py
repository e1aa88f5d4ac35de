"""``record.json``: what a run's files held when it was saved, so that what is lost is noticed.

``metrics.jsonl`` and ``monitor.csv`` only grow while a run is trained. At every checkpoint the
record remembers their length and their digest: whatever comes later, so much of them has to be
there. Of a finished run it remembers what is written once, too. A run from before there was a
record has none, and is believed.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_bytes, write_json
from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_bytes, read_mapping
from rl_coordconv._util.validation import validate
from rl_coordconv.runs.checkpoints import KEPT, has_checkpoint
from rl_coordconv.runs.directory import RunDirectory
from rl_coordconv.runs.evaluations import read_evaluations
from rl_coordconv.runs.status import Count, RunState

Growing = Literal["metrics.jsonl", "monitor.csv"]
Final = Literal["evaluation.json", "evaluations.npz"]
_KEPT = 2 * KEPT
"""Marks that stay: of the checkpoints that stay, and of those that were being written."""


class FileMark(BaseModel):
    """The beginning of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Count
    """Bytes."""
    lines: Count
    sha256: str


class Mark(BaseModel):
    """What the logs held at an agent step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_timesteps: Count
    files: dict[Growing, FileMark]
    evaluations: Count = 0
    """Rows of ``evaluations.npz`` up to there."""


class Record(BaseModel):
    """What ``record.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    marks: tuple[Mark, ...] = ()
    """Of the last checkpoints, the newest last."""
    finished: dict[Final, str] | None = None
    """SHA-256 of what a finished run has besides; None before it is finished."""
    losses: tuple[str, ...] = ()
    """What was gone when the run was resumed, in sentences."""

    def at(self, step: int) -> Mark | None:
        """Return the newest mark of at most a number of agent steps; None where there is none."""
        return next((one for one in reversed(self.marks) if one.num_timesteps <= step), None)


_ADAPTER: TypeAdapter[Record] = TypeAdapter(Record)


def load_record(run: RunDirectory) -> Record:
    """Read a run's record; an empty one where it has none.

    Raises:
        InputError: the file is damaged.
    """
    path = run.record_file
    if not is_there(path):
        return Record()
    return validate(_ADAPTER, read_mapping(path), where=str(path), keys=Record.model_fields)


def add_mark(run: RunDirectory, num_timesteps: int) -> None:
    """Remember what the logs hold, before a checkpoint of this step is written.

    Raises:
        InputError: the run's directory is gone, or its record or a log is damaged.
        OSError: it cannot be written.
    """
    run.check_there()
    record = load_record(run)
    there = {name: run.path / name for name in get_args(Growing) if is_there(run.path / name)}
    files = {name: _mark(read_bytes(path)) for name, path in there.items()}
    before = [mark for mark in record.marks if mark.num_timesteps < num_timesteps]
    rows = _evaluations(run, num_timesteps)
    mark = Mark(num_timesteps=num_timesteps, files=files, evaluations=rows)
    _save(run, record.model_copy(update={"marks": (*before, mark)[-_KEPT:]}))


def record_finish(run: RunDirectory) -> None:
    """Remember what a run holds that is about to be called done; raises as `add_mark`."""
    there = {name: run.path / name for name in get_args(Final) if is_there(run.path / name)}
    digests = {name: _digest(read_bytes(path)) for name, path in there.items()}
    _save(run, load_record(run).model_copy(update={"finished": digests}))


def take_up(run: RunDirectory, resumed_at: int | None) -> list[str]:
    """Find out what a run has lost since it was saved, and remember it: its history has a gap.

    Args:
        run: held by this process.
        resumed_at: the agent step of the checkpoint that it goes on from; None where there is none.

    Returns:
        What a person should know, in sentences.

    Raises:
        InputError: a log is no regular file.
    """
    if resumed_at is None:
        run.record_file.unlink(missing_ok=True)
        lost = has_checkpoint(run.checkpoints)
        return ["none of its checkpoints is whole: it begins again at step 0"] if lost else []
    try:
        record, said = load_record(run), []
    except InputError as error:
        record, said = Record(), [f"{error}: what its logs should hold is not known any more"]
    mark = record.at(resumed_at)
    losses = _differences(run, mark) if mark is not None else []
    if mark is not None and not losses and mark.num_timesteps == resumed_at:
        _cut(run, mark)
    # What does not fit any more holds for no earlier step either.
    marks = () if losses else tuple(m for m in record.marks if m.num_timesteps <= resumed_at)
    if losses or said or record != Record():
        _save(run, Record(marks=marks, losses=(*record.losses, *losses)))
    return [*said, *(f"{one}; it goes on without them" for one in losses)]


def _cut(run: RunDirectory, mark: Mark) -> None:
    """Drop what the logs hold beyond a mark: it is about to be repeated."""
    for name, file in mark.files.items():
        content = read_bytes(run.path / name)
        if len(content) > file.size:
            write_bytes(run.path / name, content[: file.size])


def check_record(run: RunDirectory, state: RunState) -> None:
    """Refuse a run that lacks a part of its history, or whose history was changed.

    Args:
        run: any; one that is being trained is believed.
        state: where it stands.

    Raises:
        InputError: says which file lacks what.
    """
    if state is RunState.PENDING and (is_there(run.record_file) or is_there(run.episodes_file)):
        raise InputError(
            f"{run.status_file} is missing or says pending, though the run has begun: how far it "
            "came is not known"
        )
    if state in (RunState.PENDING, RunState.RUNNING):
        return
    record = load_record(run)
    if record.losses:
        raise InputError(f"when it was resumed, {'; '.join(record.losses)}")
    mark = record.marks[-1] if record.marks else None
    wrong = _differences(run, mark) if mark is not None else []
    if state is RunState.DONE:
        wrong += _additions(run, mark) if mark is not None and not wrong else []
        wrong += [
            f"{run.path / name} is not what it was when the run was finished"
            for name, digest in (record.finished or {}).items()
            if not is_there(run.path / name) or _digest(read_bytes(run.path / name)) != digest
        ]
    if wrong:
        raise InputError("; ".join(wrong))


def _differences(run: RunDirectory, mark: Mark) -> list[str]:
    """Say what is not there any more of what a mark remembers."""
    found = (_difference(run.path / name, file) for name, file in sorted(mark.files.items()))
    told = [one for one in found if one is not None]
    if (rows := _evaluations(run, mark.num_timesteps)) < mark.evaluations:
        told.append(
            f"{run.evaluations_file} has {rows:,} of the {mark.evaluations:,} rows that it had"
        )
    return [f"{one} at step {mark.num_timesteps:,}" for one in told]


def _evaluations(run: RunDirectory, step: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is damaged is told of otherwise
        return sum(row[0] <= step for row in read_evaluations(run.evaluations_file))


def _additions(run: RunDirectory, mark: Mark) -> list[str]:
    sizes = {run.path / name: file.size for name, file in mark.files.items()}
    return [f"{path} holds more than it did when the run was finished"
            for path, size in sizes.items() if path.stat().st_size > size]  # fmt: skip


def _difference(path: Path, mark: FileMark) -> str | None:
    if not is_there(path):
        return f"{path} is missing, of the {mark.lines:,} lines that it had"
    there = read_bytes(path)
    if len(there) < mark.size:
        return f"{path} has {_lines(there):,} of the {mark.lines:,} lines that it had"
    if _digest(there[: mark.size]) != mark.sha256:
        return f"{path} has been changed: it does not hold the {mark.lines:,} lines that it had"
    return None


def _mark(content: bytes) -> FileMark:
    return FileMark(size=len(content), lines=_lines(content), sha256=_digest(content))


def _lines(content: bytes) -> int:
    return content.count(b"\n")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _save(run: RunDirectory, record: Record) -> None:
    write_json(run.record_file, record.model_dump(mode="json"))
