"""Prepare a sweep's directory: its description, its precision, and a directory for each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunConfig, RunDirectory, RunState
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.precision import find_decision, save_decision
from rl_coordconv.sweeps.supervisor import Entry, Launcher

Tell = Callable[[str], None]


def prepare(
    config: SweepConfig,
    directory: SweepDirectory,
    tell: Tell,
    *,
    mix: bool = False,
    launcher: Launcher | None = None,
) -> list[Entry]:
    """Write down what is to be trained, and make the directories of the runs.

    Args:
        config: what is to be trained.
        directory: where; the caller holds it.
        tell: is told, in lines, what a person should know.
        mix: whether runs of another description may be there already.
        launcher: finds the precision of all runs; None leaves that to those who train them.

    Returns:
        Every run of the sweep. One whose directory is damaged has its `Entry.damage`.

    Raises:
        InputError: the directory holds a sweep of another description, or cannot be written.
    """
    configs = config.runs()
    for sentence in directory.prepare(config, mix=mix):
        tell(sentence)
    if launcher is None:
        entries = [take_up(directory, one) for one in configs]
    else:
        entries = decide_precision(configs, directory, launcher, tell)
    for entry, one in zip(entries, configs, strict=True):
        if (said := extension_note(entry, one)) is not None:
            tell(said)
    return entries


def decide_precision(
    configs: Sequence[RunConfig], directory: SweepDirectory, launcher: Launcher, tell: Tell
) -> list[Entry]:
    """Find one precision for all runs, and write it down for the sweep and for each of them.

    Returns:
        Every run.

    Raises:
        InputError: the file that holds the sweep's decision is damaged.
    """
    decision = find_decision(configs, directory, launcher)
    if decision is not None:
        tell(f"precision of all runs: {decision.precision} ({decision.reason})")
    entries = [take_up(directory, one) for one in configs]
    save_decision(decision, directory, [one.run for one in entries if one.damage is None])
    return entries


def take_up(directory: SweepDirectory, config: RunConfig) -> Entry:
    """Return a run of a sweep, with its directory made; one that is damaged fails alone.

    Raises:
        InputError: the directory cannot be made.
    """
    there = directory.place_of(config)
    try:
        run = directory.run(config)
        return Entry(run, run.config().total_timesteps)
    except InputError as error:
        damage = str(error)
        if not there.path.is_dir():
            raise
    except Exception as error:  # whatever is wrong with one run, the others go on
        damage = f"{there.config_file} cannot be used: {type(error).__name__}: {error}"
    return Entry(there, config.total_timesteps, damage=damage)


def extension_note(entry: Entry, config: RunConfig) -> str | None:
    """Say that a run has been given more steps than the sweep asks for; None where it has not."""
    if entry.damage is not None or entry.total_timesteps == config.total_timesteps:
        return None
    then = "it stays as it is" if entry.state is RunState.DONE else "it goes on to its own total"
    return (
        f"{config.name} has been extended to {entry.total_timesteps:,} agent steps, where this "
        f"sweep asks for {config.total_timesteps:,}: {then}"
    )


def entry_of(run: RunDirectory) -> Entry:
    """Return a run that is there already; one that is damaged has its `Entry.damage`."""
    try:
        return Entry(run, run.config().total_timesteps)
    except InputError as error:
        damage = str(error)
    except Exception as error:  # whatever is wrong with one run, the others go on
        damage = f"{run.config_file} cannot be used: {type(error).__name__}: {error}"
    return Entry(run, 1, damage=damage)
