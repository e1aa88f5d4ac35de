"""Hand what is left of a sweep to SLURM, and leave it there."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_text
from rl_coordconv._util.importing import trusted_names
from rl_coordconv.runs import RunState
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.preparing import Tell, prepare
from rl_coordconv.sweeps.progress import show_line
from rl_coordconv.sweeps.resources import check_gpus_asked
from rl_coordconv.sweeps.slurm import commands
from rl_coordconv.sweeps.slurm.options import SlurmOptions
from rl_coordconv.sweeps.slurm.script import SCRIPT, batch_script, sbatch_command
from rl_coordconv.sweeps.slurm.submissions import (
    Array,
    Submission,
    folder_of,
    load_submissions,
    new_name,
    queued_runs,
)
from rl_coordconv.sweeps.supervisor import Entry

NOT_ALL_USABLE = 1
_USUAL_ARRAY_SIZE = 1001
"""SLURM's own default, for printing where no cluster can be asked."""


@dataclass
class Choice:
    """What is to be done about each run of a sweep."""

    left: list[str] = field(default_factory=list)
    """Names of runs to be submitted."""
    done: int = 0
    queued: int = 0
    """Runs in SLURM's queue, waiting or running."""
    running: int = 0
    """Runs that somebody else trains."""
    unusable: int = 0
    """Runs that are damaged, or diverged."""

    def describe(self) -> str:
        """Say it in a line."""
        counts = {"to be submitted": len(self.left), "in SLURM's queue": self.queued,
                  "trained elsewhere": self.running, "done": self.done,
                  "set aside": self.unusable}  # fmt: skip
        parts = [f"{count} {what}" for what, count in counts.items() if count]
        return f"{', '.join(parts)} of {sum(counts.values())} runs"


def submit(
    config: SweepConfig, directory: SweepDirectory, values: Mapping[str, Any], console: Console
) -> int:
    """Submit the runs of a sweep that are neither done nor in the queue.

    Args:
        config: what is to be trained.
        directory: where; every node sees it under the same path.
        values: of the command's flags.
        console: where it is said what was done.

    Returns:
        The process's exit code: 0, or 1 if a run is damaged or has diverged, and so was left out.

    Raises:
        InputError: a flag that cannot be used, a command of SLURM's that is missing or refuses, or
            a directory of another sweep or one that a sweep is at work on.
    """
    options = SlurmOptions.build(values)
    check_gpus_asked(config.device, options.gpus_per_run, "SLURM gives no GPU to a run")
    settings = {name: values[name] for name in ("retries", "retry_diverged")}
    tell = partial(show_line, console)
    if options.prints_only or values["dry_run"]:
        return _print(config, directory, options, settings, tell)
    limit = commands.max_array_size()
    directory.make()
    with directory.locked():
        entries = prepare(config, directory, tell, mix=values["mix"])
        choice = choose(
            entries, _queued(directory, tell), tell, retry_diverged=values["retry_diverged"]
        )
        tell(choice.describe())
        if choice.left:
            submission = plan(choice.left, directory, options, limit, **settings)
            _hand_over(submission, directory, options, tell)
    return NOT_ALL_USABLE if choice.unusable else 0


def _queued(directory: SweepDirectory, tell: Tell) -> set[str]:
    submissions, problems = load_submissions(directory)
    for problem in problems:
        tell(f"a submission is left out of account: {problem}")
    return set(queued_runs(submissions, commands.queued_tasks()))


def choose(
    entries: Iterable[Entry], queued: set[str], tell: Tell, *, retry_diverged: bool
) -> Choice:
    """Decide about each run, and name those that nothing can be done about.

    Args:
        entries: all runs.
        queued: names of those in SLURM's queue.
        tell: is told the names and the reasons.
        retry_diverged: whether runs that diverged are submitted again.
    """
    choice = Choice()
    for entry in entries:
        name, status, fault = entry.run.path.name, entry.status(), entry.fault()
        if fault is not None:
            choice.unusable += 1
            tell(f"{name} has failed for good: {fault}")
        elif status.state is RunState.DONE:
            choice.done += 1
        elif name in queued:
            choice.queued += 1
        elif status.state is RunState.RUNNING:
            choice.running += 1
        elif status.has_diverged and not retry_diverged:
            choice.unusable += 1
            tell(f"{name} had diverged and is not tried again: {status.error}")
        else:
            choice.left.append(name)
    return choice


def plan(
    runs: list[str],
    directory: SweepDirectory,
    options: SlurmOptions,
    limit: int,
    *,
    retries: int,
    retry_diverged: bool,
) -> Submission:
    """Put runs into tasks, and tasks into arrays.

    Args:
        runs: their names.
        directory: the sweep's.
        options: what each task gets.
        limit: how many tasks an array may have.
        retries: as for `Supervisor`.
        retry_diverged: as for `Supervisor`.
    """
    packed, name = options.runs_per_job, new_name(directory)
    tasks = [tuple(runs[first : first + packed]) for first in range(0, len(runs), packed)]
    firsts = range(0, len(tasks), limit)
    arrays = [
        Array(
            job_name=name if len(firsts) == 1 else f"{name}.{number}",
            first=first,
            size=min(limit, len(tasks) - first),
        )
        for number, first in enumerate(firsts)
    ]
    return Submission(
        name=name,
        tasks=tuple(tasks),
        arrays=tuple(arrays),
        threads=options.threads,
        retries=retries,
        retry_diverged=retry_diverged,
        requeues=options.requeues,
        trust=bool(trusted_names()),
    )


def _hand_over(
    submission: Submission, directory: SweepDirectory, options: SlurmOptions, tell: Tell
) -> None:
    folder = folder_of(directory, submission.name)
    folder.mkdir(parents=True)
    write_text(folder / SCRIPT, batch_script(folder, options.template))
    submission.save(folder)
    submitted: list[Array] = []
    for number, array in enumerate(submission.arrays):
        after = _predecessor(submitted, options)
        try:
            job_id = commands.submit(sbatch_command(folder, array, options, after=after))
        except InputError as error:
            raise _refused(error, folder, submitted, submission) from error
        submitted.append(array.model_copy(update={"job_id": job_id}))
        arrays = (*submitted, *submission.arrays[number + 1 :])
        submission.model_copy(update={"arrays": arrays}).save(folder)
        tell(f"submitted batch job {job_id}, an array of {array.size} ({array.job_name})")
    tell(f"what the tasks print is in {folder}")
    tell(f"see how they are doing: rl-coordconv sweep status {shlex.quote(str(directory.path))}")


def _predecessor(submitted: list[Array], options: SlurmOptions) -> str | None:
    """Return the array that has to end first, where only so many tasks may run at a time."""
    return submitted[-1].job_id if submitted and options.tasks_at_a_time else None


def _refused(
    error: InputError, folder: Path, submitted: list[Array], submission: Submission
) -> InputError:
    if not submitted:
        shutil.rmtree(folder, ignore_errors=True)
        return error
    return InputError(
        f"{error}; {len(submitted)} of {len(submission.arrays)} arrays are submitted: the same "
        "command submits what is left"
    )


def _print(
    config: SweepConfig,
    directory: SweepDirectory,
    options: SlurmOptions,
    settings: Mapping[str, Any],
    tell: Tell,
) -> int:
    """Show what would be submitted; nothing is written, and no cluster is needed."""
    entries = [Entry(directory.place_of(one), one.total_timesteps) for one in config.runs()]
    has_queue = commands.has_command("squeue")
    queued = _queued(directory, tell) if has_queue else set()
    choice = choose(entries, queued, tell, retry_diverged=settings["retry_diverged"])
    tell(choice.describe())
    if not choice.left:
        return 0
    limit = commands.max_array_size() if commands.has_command("scontrol") else _USUAL_ARRAY_SIZE
    submission = plan(choice.left, directory, options, limit, **settings)
    folder = folder_of(directory, submission.name)
    before: list[Array] = []
    tell(f"{folder / SCRIPT} would be:")
    for line in batch_script(folder, options.template).splitlines():
        tell(f"    {line}")
    for number, array in enumerate(submission.arrays):
        after = _predecessor(before, options)
        tell(shlex.join(sbatch_command(folder, array, options, after=after)))
        before.append(array.model_copy(update={"job_id": f"JOB{number}"}))
    return 0
