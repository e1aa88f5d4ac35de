"""Carry out a sweep, from its description to its summary."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console

from rl_coordconv.runs import RunState
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.preparing import prepare
from rl_coordconv.sweeps.progress import SweepDisplay, SweepProgress, describe_sweep, show_line
from rl_coordconv.sweeps.supervisor import Entry, Launcher, Supervisor
from rl_coordconv.training.signals import stop_request

NOT_ALL_DONE = 1

_WHY_OPEN = {
    RunState.PENDING: "its status.json is missing, as if it had not begun",
    RunState.INTERRUPTED: "whoever trained it has ended without finishing it",
    RunState.RUNNING: "another process trains it",
}
"""Why a run that this sweep does nothing more for is not done."""


def sweep(
    config: SweepConfig,
    directory: SweepDirectory,
    launcher: Launcher,
    console: Console,
    *,
    retries: int = 3,
    retry_diverged: bool = False,
    mix: bool = False,
    shared: bool = False,
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
        shared: whether other processes, perhaps on other machines, may be at work on the same
            sweep; each trains what nobody else holds.

    Returns:
        The process's exit code: 0 all runs are done, 1 some are not, 129, 130 or 143 stopped.

    Raises:
        InputError: another sweep is at work there, or was, with another description.
    """
    directory.make()
    with ExitStack() as stack:
        if shared:
            directory.refuse_beside_one()
        else:
            stack.enter_context(directory.locked())
        with directory.preparing():
            entries = prepare(
                config, directory, lambda line: show_line(console, line), mix=mix,
                launcher=launcher,
            )  # fmt: skip
        stop = stack.enter_context(stop_request())
        supervise(entries, launcher, console, lambda: bool(stop), retries=retries,
                  retry_diverged=retry_diverged)  # fmt: skip
        return stop.exit_code or exit_code(entries)


def supervise(
    entries: list[Entry],
    launcher: Launcher,
    console: Console,
    is_stopped: Callable[[], bool],
    *,
    retries: int,
    retry_diverged: bool,
    leaves_others: bool = False,
) -> None:
    """Train runs and show how that goes and what came of it; the arguments are `Supervisor`'s."""
    progress = SweepProgress(entries, launcher.jobs)
    with SweepDisplay(console, progress) as display:
        Supervisor(
            entries, launcher, retries=retries, retry_diverged=retry_diverged,
            tell=display.tell, show=display.show, leaves_others=leaves_others,
        ).work(is_stopped)  # fmt: skip
    for line in summarize(entries, progress, is_stopped=is_stopped()):
        show_line(console, line)


def exit_code(entries: list[Entry]) -> int:
    """Return 0 if all runs are done, 1 otherwise."""
    return 0 if all(entry.state is RunState.DONE for entry in entries) else NOT_ALL_DONE


def summarize(entries: list[Entry], progress: SweepProgress, *, is_stopped: bool) -> list[str]:
    """Say what is done, and which runs are not, and why; nothing of those that were stopped."""
    lines = [describe_sweep(progress.rows(), None).rpartition(";")[0]]
    for entry in entries:
        state, name = entry.state, entry.run.path.name
        if state is RunState.FAILED:
            lines.append(f"  failed: {name}: {entry.status().error}")
            lines.append(f"    its directory: {entry.run.path}")
        elif state is not RunState.DONE and not is_stopped:
            lines.append(f"  not done: {name} is {state}: {_WHY_OPEN[state]}")
    return lines
