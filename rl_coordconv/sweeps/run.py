"""Carry out a sweep, from its description to its summary."""

from __future__ import annotations

from contextlib import ExitStack

from rich.console import Console

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunConfig, RunState
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.precision import find_decision, save_decision
from rl_coordconv.sweeps.progress import SweepDisplay, SweepProgress, describe_sweep
from rl_coordconv.sweeps.supervisor import Entry, Launcher, Supervisor
from rl_coordconv.training.signals import stop_request

SOME_FAILED = 1


def sweep(
    config: SweepConfig,
    directory: SweepDirectory,
    launcher: Launcher,
    console: Console,
    *,
    retries: int = 3,
    retry_diverged: bool = False,
    mix: bool = False,
) -> int:
    """Train all runs of a sweep that are not done yet.

    Args:
        config: what is to be trained.
        directory: where; it may hold a part of it already.
        launcher: where the runs are trained, and how many at a time.
        console: where progress is shown.
        retries: how often a run is tried again after a failed attempt before it counts as failed.
        retry_diverged: whether one that diverged is tried again, too.
        mix: whether runs of another description may be there already.

    Returns:
        The process's exit code: 0 all runs are done, 1 some have failed, 130 or 143 stopped.

    Raises:
        InputError: another sweep is at work there, or was, with another description.
    """
    configs = config.runs()
    directory.make()
    with ExitStack() as stack:
        stack.enter_context(directory.locked())
        for sentence in directory.prepare(config, mix=mix):
            console.print(sentence, soft_wrap=True, highlight=False)
        decision = find_decision(configs, directory, launcher)
        if decision is not None:
            console.print(f"precision of all runs: {decision.precision} ({decision.reason})",
                          soft_wrap=True, highlight=False, markup=False)  # fmt: skip
        entries = [_entry(directory, one) for one in configs]
        save_decision(decision, directory, [one.run for one in entries if one.damage is None])
        for entry, one in zip(entries, configs, strict=True):
            if (said := extension_note(entry, one)) is not None:
                console.print(said, soft_wrap=True, highlight=False, markup=False)
        progress = SweepProgress(entries, launcher.jobs)
        stop = stack.enter_context(stop_request())
        with SweepDisplay(console, progress) as display:
            supervisor = Supervisor(
                entries, launcher, retries=retries, retry_diverged=retry_diverged,
                tell=display.tell, show=display.show,
            )  # fmt: skip
            supervisor.work(lambda: bool(stop))
        console.print(summarize(entries, progress), soft_wrap=True, highlight=False, markup=False)
        failed = any(entry.state is RunState.FAILED for entry in entries)
        return stop.exit_code or (SOME_FAILED if failed else 0)


def _entry(directory: SweepDirectory, config: RunConfig) -> Entry:
    """Take up a run; one whose directory is damaged fails alone."""
    try:
        run = directory.run(config)
        return Entry(run, run.config().total_timesteps)
    except InputError as error:
        there = directory.place_of(config)
        if not there.path.is_dir():
            raise
        return Entry(there, config.total_timesteps, damage=str(error))


def extension_note(entry: Entry, config: RunConfig) -> str | None:
    """Say that a run has been given more steps than the sweep asks for; None where it has not."""
    if entry.damage is not None or entry.total_timesteps == config.total_timesteps:
        return None
    then = "it stays as it is" if entry.state is RunState.DONE else "it goes on to its own total"
    return (
        f"{config.name} has been extended to {entry.total_timesteps:,} agent steps, where this "
        f"sweep asks for {config.total_timesteps:,}: {then}"
    )


def summarize(entries: list[Entry], progress: SweepProgress) -> str:
    """Say what is done, and which runs have failed, and why."""
    lines = [describe_sweep(progress.rows(), None).rpartition(";")[0]]
    for entry in entries:
        status = entry.status()
        if entry.state is RunState.FAILED:
            lines.append(f"  failed: {entry.run.path.name}: {status.error}")
            lines.append(f"    its directory: {entry.run.path}")
    return "\n".join(lines)
