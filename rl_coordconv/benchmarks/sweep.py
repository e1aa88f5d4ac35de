"""How long a sweep of many finished runs takes to list, to go on with and to compare."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from rl_coordconv._util.errors import InputError
from rl_coordconv.benchmarks.checks import check_between, check_rounds
from rl_coordconv.benchmarks.timing import alternate, describe_machine, open_console
from rl_coordconv.machine.hardware import available_cores
from rl_coordconv.runs.limits import MAX_RUNS
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig

_ARMS = ("cnn", "coordconv", "placebo")
_STEPS = 1024
SIZES = (1 / 4, 1 / 2, 1)


@dataclass(frozen=True)
class SweepBenchmarkConfig:
    """Time whole commands on a sweep of Aim with a quarter, half and all of its runs.

    One seed of each arm is trained, for a moment; the others are its copies.
    """

    runs: int = 300
    """How many there are at the end; a multiple of 12."""
    rounds: int = 3
    """How often each command is timed at each size; the median counts."""


@dataclass(frozen=True)
class Timings:
    """Seconds of each command in a sweep of so many runs."""

    runs: int
    seconds: dict[str, float]


def main(config: SweepBenchmarkConfig) -> None:
    """Print a row for each size, and how much a run adds.

    Raises:
        InputError: a number of runs that is not allowed.
    """
    check_rounds(config.rounds, None)
    check_between("--runs", config.runs, MAX_RUNS)
    if config.runs % (4 * len(_ARMS)):
        raise InputError(f"--runs {config.runs} is not a multiple of {4 * len(_ARMS)}")
    console = open_console()
    console.print(describe_machine(available_cores()))
    with TemporaryDirectory() as place:
        sweep = Path(place) / "sweep"
        _seconds(_sweep(sweep, seeds=1))
        timings = [_measure(sweep, round(config.runs * part), config.rounds) for part in SIZES]
    console.print(_table(timings))


def _measure(sweep: Path, runs: int, rounds: int) -> Timings:
    seeds = runs // len(_ARMS)
    multiply(sweep, seeds)
    report = sweep.with_name("report")
    commands = {
        "sweep status": ("sweep", "status", str(sweep)),
        "sweep, nothing left to do": _sweep(sweep, seeds),
        "compare": ("compare", str(sweep), "--output", str(report)),
    }
    timed = alternate(
        {name: partial(_seconds, command) for name, command in commands.items()}, rounds
    )
    return Timings(runs, {name: statistics.median(seconds) for name, seconds in timed.items()})


def _sweep(sweep: Path, seeds: int) -> tuple[str, ...]:
    return (
        *("sweep", "--games", "Aim", "--agents", "ppo-aim", "--extractors", *_ARMS),
        *("--seeds", str(seeds), "--total-timesteps", str(_STEPS), "--eval-episodes", "2"),
        *("--precision", "fp32", "--output", str(sweep)),
    )


def multiply(sweep: Path, seeds: int) -> None:
    """Bring a finished sweep of seed 0 to more seeds, all of them copies of it.

    Args:
        sweep: its directory.
        seeds: how many of each arm there shall be.
    """
    directory = SweepDirectory(sweep)
    description = SweepConfig.load(directory.config_file).model_copy(update={"seeds": seeds})
    runs = description.runs()
    first = {run.extractor: directory.place_of(run) for run in runs if run.seed == 0}
    for run in runs:
        place = directory.place_of(run)
        if not place.path.exists():
            shutil.copytree(first[run.extractor].path, place.path)
            run.save(place.config_file)
    description.save(directory.config_file)


def _seconds(command: Sequence[str]) -> float:
    """Return how long a command takes, with the start of Python.

    Raises:
        InputError: it failed.
    """
    start = time.perf_counter()
    argv = [sys.executable, "-m", "rl_coordconv", *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise InputError(f"{' '.join(command[:2])} ended with {done.returncode}: {' '.join(last)}")
    return time.perf_counter() - start


def growth(timings: Sequence[Timings], name: str) -> tuple[float, float]:
    """Return the milliseconds that a run adds, between the first two sizes and the last two."""
    pairs = pairwise(timings)
    added = [
        1e3 * (after.seconds[name] - before.seconds[name]) / (after.runs - before.runs)
        for before, after in pairs
    ]
    return added[0], added[-1]


def _table(timings: Sequence[Timings]) -> Table:
    table = Table("command", *(f"{one.runs} runs, s" for one in timings), "a run adds, ms")
    for name in timings[0].seconds:
        cells = [f"{one.seconds[name]:.1f}" for one in timings]
        table.add_row(name, *cells, "{:.0f}, then {:.0f}".format(*growth(timings, name)))
    return table
