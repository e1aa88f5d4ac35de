"""What a person asks SLURM for, checked before anything is submitted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError, shown

SAVE_SECONDS = 180
"""How long before its end a job is asked to save."""
MIN_MINUTES = 5
"""Of a job's time; of less there would be nothing left to train in."""

DEFAULTS: Mapping[str, Any] = {
    "cpus_per_run": 1.0,
    "gpus_per_run": 0.0,
    "runs_per_job": 1,
    "slurm_partition": None,
    "slurm_time": None,
    "slurm_account": None,
    "slurm_template": None,
    "slurm_requeues": 100,
    "slurm_print": False,
}
"""The flags of the backend and their defaults."""

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")
_ENDLESS = ("unlimited", "infinite")


@dataclass(frozen=True)
class SlurmOptions:
    """What each task of an array gets, and how many there may be at a time."""

    jobs: int | None
    """Runs at a time; None leaves that to the cluster."""
    runs_per_job: int
    cpus_per_run: float
    gpus_per_run: float
    partition: str | None
    time: str | None
    account: str | None
    template: str | None
    """Text of a file with lines of one's own."""
    requeues: int
    """How often a task may go back into the queue."""
    prints_only: bool

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> SlurmOptions:
        """Check the flags' values.

        Raises:
            InputError: one that cannot be used.
        """
        _check_counts(values)
        if values["slurm_time"] is not None:
            check_time(values["slurm_time"])
        return cls(
            jobs=values["jobs"],
            runs_per_job=values["runs_per_job"],
            cpus_per_run=values["cpus_per_run"],
            gpus_per_run=values["gpus_per_run"],
            partition=values["slurm_partition"],
            time=values["slurm_time"],
            account=values["slurm_account"],
            template=_read_template(values["slurm_template"]),
            requeues=values["slurm_requeues"],
            prints_only=values["slurm_print"],
        )

    @property
    def cpus(self) -> int:
        """CPUs of a task: those of all its runs, which train at the same time."""
        return max(1, math.ceil(self.cpus_per_run * self.runs_per_job - 1e-9))

    @property
    def threads(self) -> int:
        """Threads of a run."""
        return max(1, int(self.cpus_per_run))

    @property
    def gpus(self) -> int:
        """GPUs of a task, whole ones, which its runs share."""
        return math.ceil(self.gpus_per_run * self.runs_per_job - 1e-9)

    @property
    def tasks_at_a_time(self) -> int | None:
        """How many tasks of all arrays together may run at a time; None is as many as fit."""
        return None if self.jobs is None else self.jobs // self.runs_per_job


def check_time(text: str) -> None:
    """Refuse a time limit that sbatch does not know, or in which nothing could be trained.

    Raises:
        InputError: another form than sbatch's, or too short.
    """
    if text.lower() in _ENDLESS:
        return
    minutes = _minutes(text)
    if minutes is None:
        raise InputError(
            f"--slurm-time {shown(text)} is not a time as sbatch takes it (allowed: MINUTES, "
            "HOURS:MINUTES:SECONDS, DAYS-HOURS, DAYS-HOURS:MINUTES, ..., UNLIMITED)"
        )
    if minutes < MIN_MINUTES:
        raise InputError(
            f"--slurm-time {text} is not at least {MIN_MINUTES} minutes: a job is asked to save "
            f"{SAVE_SECONDS} seconds before its end"
        )


def _minutes(text: str) -> float | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    parts = [int(part) for part in match["parts"].split(":")]
    if match["days"] is None:  # M, M:S or H:M:S
        units = {1: (1.0,), 2: (1.0, 1 / 60), 3: (60.0, 1.0, 1 / 60)}[len(parts)]
        days = 0
    else:  # D-H, D-H:M or D-H:M:S
        units, days = (60.0, 1.0, 1 / 60), int(match["days"])
    return days * 1440 + sum(part * unit for part, unit in zip(parts, units, strict=False))


def _check_counts(values: Mapping[str, Any]) -> None:
    for name, least in (("runs_per_job", 1), ("slurm_requeues", 0)):
        if values[name] < least:
            raise InputError(f"--{name.replace('_', '-')} {values[name]} is not at least {least}")
    jobs, packed = values["jobs"], values["runs_per_job"]
    if jobs is not None and jobs < packed:
        raise InputError(
            f"--jobs {jobs} runs at a time are fewer than the --runs-per-job {packed} of one job"
        )


def _read_template(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"--slurm-template {path} cannot be read: {reason}") from error
    if "\0" in text:
        raise InputError(f"--slurm-template {path} is no text")
    return text
