"""SLURM's own commands, sbatch, squeue and scontrol, and what they answer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from rl_coordconv._util.errors import InputError

_PATIENCE_SECONDS = 120.0
_MAX_ARRAY_SIZE = re.compile(r"^MaxArraySize\s*=\s*(\d+)\s*$", re.MULTILINE)
_JOB_ID = re.compile(r"(\d+)(?:;.*)?")
"""What ``sbatch --parsable`` prints: the job's number, and the cluster's name if there is one."""


@dataclass(frozen=True)
class QueuedTask:
    """A task of an array that SLURM has not forgotten: it waits, runs or is about to end."""

    job_name: str
    index: int
    state: str
    """As SLURM calls it: PENDING, RUNNING, COMPLETING, ..."""


def has_command(name: str) -> bool:
    """Tell whether one of SLURM's commands is on the PATH."""
    return shutil.which(name) is not None


def run_command(command: Sequence[str]) -> str:
    """Run one of SLURM's commands and return what it prints.

    Raises:
        InputError: it is not on the PATH, refuses, or does not answer.
    """
    name = command[0]
    if not has_command(name):
        raise InputError(
            f"{name} is not on the PATH: --backend slurm needs sbatch, squeue and scontrol, and so "
            "a machine from which jobs are submitted"
        )
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{name} did not answer within {_PATIENCE_SECONDS:.0f} seconds") from error
    except OSError as error:
        raise InputError(f"{name} could not be started: {error}") from error
    if result.returncode:
        said = "; ".join(filter(None, (result.stderr or result.stdout).splitlines()))
        raise InputError(
            f"{shlex.join(command)} ended with exit code {result.returncode}: {said or 'no word'}"
        )
    return result.stdout


def submit(command: Sequence[str]) -> str:
    """Submit a job and return its number.

    Args:
        command: ``sbatch --parsable ...``.

    Raises:
        InputError: it is refused, or answers something else.
    """
    answer = run_command(command).strip()
    # Plugins of a cluster may print lines of their own before.
    match = _JOB_ID.fullmatch(answer.splitlines()[-1].strip()) if answer else None
    if match is None:
        raise InputError(f"sbatch answered {answer!r}, which is not a job's number")
    return match[1]


def max_array_size() -> int:
    """Return how many tasks an array may have on this cluster.

    Raises:
        InputError: that cannot be found out, or the cluster has no arrays.
    """
    match = _MAX_ARRAY_SIZE.search(run_command(["scontrol", "show", "config"]))
    if match is None:
        raise InputError("scontrol show config tells no MaxArraySize")
    if int(match[1]) < 1:
        raise InputError("this cluster allows no job arrays (MaxArraySize is 0)")
    return int(match[1])


def queued_tasks() -> list[QueuedTask]:
    """Return the array tasks that this user has in the queue, running ones among them.

    Raises:
        InputError: squeue cannot be asked.
    """
    answer = run_command(
        ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%j|%K|%T"]
    )
    rows = (line.strip().rsplit("|", 2) for line in answer.splitlines())
    return [
        QueuedTask(row[0], int(row[1]), row[2])
        for row in rows
        if len(row) == 3 and row[1].isdecimal()
    ]


def state_of(task: str) -> str:
    """Return the state of one task, ``ARRAY_INDEX``; empty where SLURM does not know it.

    Raises:
        InputError: squeue cannot be asked.
    """
    answer = run_command(["squeue", "--noheader", f"--jobs={task}", "--format=%T"])
    return answer.split()[0] if answer.split() else ""


def requeue(task: str) -> None:
    """Put a task back into the queue; the one that runs is ended.

    Raises:
        InputError: that is refused.
    """
    run_command(["scontrol", "requeue", task])
