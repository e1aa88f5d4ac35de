"""Where the runs of a sweep stand, read from its directory by whoever asks, on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunDirectory, RunState
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.preparing import entry_of
from rl_coordconv.sweeps.progress import Row, describe_sweep, latest_return
from rl_coordconv.sweeps.slurm import commands
from rl_coordconv.sweeps.slurm.submissions import load_submissions, queued_runs
from rl_coordconv.sweeps.supervisor import Entry


@dataclass(frozen=True)
class Overview:
    """A sweep at one moment."""

    rows: list[Row]
    """One for every run that has a directory, by name."""
    notes: list[str]
    """What a table cannot show: failures with their reasons, what could not be asked."""

    def describe(self) -> str:
        """Say in a line how many runs are in which state."""
        return describe_sweep(self.rows, None).rpartition(";")[0]


def look(directory: SweepDirectory) -> Overview:
    """Read where every run of a sweep stands.

    Raises:
        InputError: there is no sweep.
    """
    paths = _run_paths(directory)
    if not paths:
        raise InputError(f"{directory.path} holds no sweep: there is no run in its runs/")
    queued, notes = _queued(directory)
    entries = [entry_of(RunDirectory(path)) for path in paths]
    for entry in entries:
        entry.is_settled = True  # nobody here tries failed ones again
        if entry.state is RunState.FAILED:
            notes.append(f"failed: {entry.run.path.name}: {entry.status().error}")
    return Overview([_row(entry, queued) for entry in entries], notes)


def _run_paths(directory: SweepDirectory) -> list[Path]:
    """Return the runs' directories; a link might lead anywhere."""
    try:
        paths = sorted(directory.runs_directory.iterdir())
    except OSError:
        return []
    return [
        path for path in paths
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    ]  # fmt: skip


def _queued(directory: SweepDirectory) -> tuple[Mapping[str, str], list[str]]:
    """Return what SLURM says of the runs that it has, and what could not be asked."""
    submissions, notes = load_submissions(directory)
    if not submissions or not commands.has_command("squeue"):
        return {}, notes
    try:
        queue = queued_runs(submissions, commands.queued_tasks())
    except InputError as error:
        return {}, [*notes, f"SLURM's queue is unknown: {error}"]
    return {name: f"SLURM: {task.state.lower()}" for name, task in queue.items()}, notes


def _row(entry: Entry, queued: Mapping[str, str]) -> Row:
    status, state, name = entry.status(), entry.state, entry.run.path.name
    is_running = state is RunState.RUNNING
    # Of all its training so far; at one moment there are no two to compare.
    speed = status.num_timesteps / status.training_seconds if status.training_seconds else 0.0
    return Row(
        name=name,
        state=state,
        steps=status.num_timesteps,
        total=entry.total_timesteps,
        speed=speed if is_running else 0.0,
        latest_return=latest_return(entry.run.metrics_file),
        where=status.host if is_running else queued.get(name, ""),
    )
