"""What a task does on its node: train its runs, and go back into the queue when it has to leave."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import torch
from rich.console import Console

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.runs.precision import Decision
from rl_coordconv.sweeps.backends.local import LocalLauncher
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.precision import find_decision, save_decision
from rl_coordconv.sweeps.preparing import Tell, entry_of
from rl_coordconv.sweeps.progress import show_line
from rl_coordconv.sweeps.resources import Resources
from rl_coordconv.sweeps.run import exit_code, supervise
from rl_coordconv.sweeps.slurm import commands
from rl_coordconv.sweeps.slurm.submissions import Submission
from rl_coordconv.sweeps.supervisor import Entry
from rl_coordconv.training.signals import StopRequest
from rl_coordconv.training.trust import import_named_code

USER_ERROR = 2


def work(folder: Path, index: int, stop: StopRequest) -> int:
    """Train the runs of a task, all at the same time.

    Args:
        folder: the submission's, in the sweep's directory.
        index: which of its tasks.
        stop: whether SLURM has asked to leave.

    Returns:
        The process's exit code: 0 all runs are done, 1 some are not, 2 nothing could be begun, 143
        stopped.
    """
    # Whatever ends the process, its words are in the log by then.
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)

    def tell(line: str) -> None:
        show_line(console, line)

    try:
        submission, directory = Submission.load(folder), SweepDirectory(folder.parents[1])
    except (InputError, OSError) as error:
        tell(f"error: {error}")
        return USER_ERROR
    try:
        entries, launcher = _prepare(directory, submission, index, tell)
        supervise(
            entries, launcher, console, lambda: bool(stop), retries=submission.retries,
            retry_diverged=submission.retry_diverged, leaves_others=True,
        )  # fmt: skip
        code = exit_code(entries)
    except (InputError, UnknownNameError, OSError) as error:
        tell(f"error: {error}")
        code = USER_ERROR
    # What SLURM's signal interrupts may end in an error as well: another attempt will tell.
    if code and stop:
        go_back_into_queue(submission.requeues, tell)
    return code and (stop.exit_code or code)


def _prepare(
    directory: SweepDirectory, submission: Submission, index: int, tell: Tell
) -> tuple[list[Entry], LocalLauncher]:
    entries = _entries(directory, submission.tasks[index])
    configs = _trusted_configs(entries, submission)
    launcher = _launcher(submission, len(entries), configs)
    if any(config.precision == "auto" for config in configs):
        _decide_precision(directory, submission, entries, launcher, tell)
    return entries, launcher


def _entries(directory: SweepDirectory, names: Iterable[str]) -> list[Entry]:
    return [entry_of(RunDirectory(directory.runs_directory / name)) for name in names]


def _trusted_configs(entries: Iterable[Entry], submission: Submission) -> list[RunConfig]:
    """Read configurations, and import what they name if the sweep may; damaged runs fail later."""
    configs = [one.run.config() for one in entries if one.damage is None]
    if submission.trust:
        for config in configs:
            import_named_code(config)
    return configs


def _launcher(submission: Submission, runs: int, configs: Sequence[RunConfig]) -> LocalLauncher:
    needs_none = all(config.device == "cpu" for config in configs)
    gpus = 0 if needs_none else torch.cuda.device_count()
    return LocalLauncher(Resources(runs, submission.threads, gpus))


def _decide_precision(
    directory: SweepDirectory,
    submission: Submission,
    entries: Sequence[Entry],
    launcher: LocalLauncher,
    tell: Tell,
) -> None:
    """Let the first task that begins find the precision of all runs, on its node."""
    with directory.preparing():
        decision = Decision.load(directory.path)
        if decision is None:
            everything = _entries(directory, chain(*submission.tasks))
            configs = _trusted_configs(everything, submission)
            decision = find_decision(configs, directory, launcher)
        whole = [one.run for one in entries if one.damage is None]
        save_decision(decision, directory, whole)
    if decision is not None:
        tell(f"precision of all runs: {decision.precision} ({decision.reason})")


def go_back_into_queue(most: int, tell: Tell) -> None:
    """Requeue this task, unless it was cancelled, was requeued already or has been too often.

    Args:
        most: how often a task may be requeued.
        tell: is told what was done, and why.
    """
    task = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    times = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if times >= most:
        tell(f"task {task} has been requeued {times} times (--slurm-requeues {most}) and stays out")
        return
    try:
        state = commands.state_of(task)
    except InputError as error:
        tell(f"task {task} is not requeued: {error}; give the sweep's command again")
        return
    if state != "RUNNING":
        # Cancelled by a person, or preempted and requeued by SLURM itself.
        tell(f"task {task} is {state or 'gone'}: it is not requeued from here")
        return
    tell(f"task {task} goes back into the queue, after {times} times before")
    try:
        commands.requeue(task)
    except InputError as error:
        # SLURM ends all processes of the job, perhaps its own command before that has its answer.
        if _is_still_running(task):
            tell(f"task {task} could not be requeued: {error}; give the sweep's command again")


def _is_still_running(task: str) -> bool:
    try:
        return commands.state_of(task) == "RUNNING"
    except InputError:
        return True
