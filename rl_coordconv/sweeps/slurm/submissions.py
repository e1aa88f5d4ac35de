"""Submissions: which runs were handed to SLURM, in which array and with which index."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_json
from rl_coordconv._util.reading import read_mapping
from rl_coordconv._util.validation import validate
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.slurm.commands import QueuedTask

FILE = "submission.json"
_FOLDER = "slurm"
_ODD = re.compile(r"[^A-Za-z0-9_.]+")
_RUN_NAME = r"^[^/.\x00][^/\x00]*$"


class Array(BaseModel):
    """One job array of a submission."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_name: str
    """No other job has it, so that its tasks are found in the queue also where the command was
    killed before it knew the job's number."""
    first: Annotated[int, Field(ge=0)]
    """The submission's task that the array's index 0 is."""
    size: Annotated[int, Field(ge=1)]
    job_id: str | None = None
    """SLURM's number, once it is known."""


class Submission(BaseModel):
    """What one command handed to SLURM, and how its tasks are to go about it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=_RUN_NAME)]
    """Of its folder."""
    tasks: tuple[tuple[Annotated[str, Field(pattern=_RUN_NAME)], ...], ...]
    """The names of the runs that each task trains."""
    arrays: tuple[Array, ...] = ()
    threads: Annotated[int, Field(ge=1)] = 1
    """Of each run."""
    retries: Annotated[int, Field(ge=0)] = 3
    retry_diverged: bool = False
    requeues: Annotated[int, Field(ge=0)] = 100
    trust: bool = False

    def save(self, folder: Path) -> None:
        """Write it into a submission's folder, which exists."""
        write_json(folder / FILE, self.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> Submission:
        """Read what stands in a submission's folder.

        Raises:
            InputError: the file is missing or damaged.
        """
        path = folder / FILE
        return validate(_ADAPTER, read_mapping(path), where=str(path), keys=cls.model_fields)

    def runs_of(self, task: QueuedTask) -> tuple[str, ...]:
        """Return the names of the runs of a task in the queue; none if it is another's."""
        for array in self.arrays:
            if array.job_name == task.job_name and task.index < array.size:
                return self.tasks[array.first + task.index]
        return ()


_ADAPTER: TypeAdapter[Submission] = TypeAdapter(Submission)


def new_name(directory: SweepDirectory) -> str:
    """Return a name for a submission that nobody else will use."""
    readable = _ODD.sub("_", directory.path.absolute().name)[:40]
    return f"{readable}-{secrets.token_hex(4)}"


def folder_of(directory: SweepDirectory, name: str) -> Path:
    """Return the folder of a submission; jobs find it from any directory."""
    return directory.path.absolute() / _FOLDER / name


def load_submissions(directory: SweepDirectory) -> tuple[list[Submission], list[str]]:
    """Read all submissions of a sweep.

    Returns:
        Those that can be read, and why others cannot.
    """
    found, problems = [], []
    for path in sorted((directory.path / _FOLDER).glob(f"*/{FILE}")):
        try:
            found.append(Submission.load(path.parent))
        except InputError as error:
            problems.append(str(error))
    return found, problems


def queued_runs(
    submissions: Iterable[Submission], queue: Iterable[QueuedTask]
) -> dict[str, QueuedTask]:
    """Return the runs that are in SLURM's queue, by name, with the task that is to train them."""
    arrays = {array.job_name: one for one in submissions for array in one.arrays}
    return {
        name: task
        for task in queue
        if task.job_name in arrays
        for name in arrays[task.job_name].runs_of(task)
    }
