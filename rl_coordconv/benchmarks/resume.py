"""How long a sweep takes to take up many interrupted runs, each from its checkpoint."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from rl_coordconv._util.errors import InputError
from rl_coordconv.benchmarks.checks import check_between
from rl_coordconv.benchmarks.sweep import SIZES, multiply
from rl_coordconv.benchmarks.timing import describe_machine, open_console
from rl_coordconv.machine.hardware import available_cores
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.limits import MAX_RUNS
from rl_coordconv.runs.status import RunState
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig

_STEPS = 2048
"""Of each run: long enough to be interrupted before its end."""
_PATIENCE = 300.0
"""Seconds within which a run must have begun, and must have stopped when asked to."""


@dataclass(frozen=True)
class ResumeBenchmarkConfig:
    """Time the same ``sweep`` command over a quarter, half and all of so many interrupted runs.

    One run of Aim is interrupted by a signal; the others are its copies, with its checkpoint.
    """

    runs: int = 48
    """How many there are at the end; a multiple of 4."""


def main(config: ResumeBenchmarkConfig) -> None:
    """Print a row for each size.

    Raises:
        InputError: a value that is not allowed, or a command failed.
    """
    check_between("--runs", config.runs, MAX_RUNS)
    if config.runs % 4:
        raise InputError(f"--runs {config.runs} is not a multiple of 4")
    console = open_console()
    console.print(describe_machine(available_cores()))
    table = Table("interrupted runs", "seconds", "a run, s", "agent steps that each had left")
    with TemporaryDirectory() as place:
        first = Path(place) / "first"
        left = interrupt_one(first)
        for part in SIZES:
            runs = round(config.runs * part)
            seconds = _resume(first, Path(place) / str(runs), runs)
            table.add_row(str(runs), f"{seconds:.0f}", f"{seconds / runs:.2f}", f"{left:,}")
    console.print(table)


def interrupt_one(sweep: Path) -> int:
    """Make a sweep of one run and interrupt it; return the agent steps that it has left.

    Raises:
        InputError: it did not begin, or did not stop before its end.
    """
    description = SweepConfig.build(
        {
            "games": ["Aim"], "agents": ["ppo-aim"], "extractors": ["coordconv"], "seeds": 1,
            "total_timesteps": _STEPS, "eval_episodes": 2, "precision": "fp32",
        },
        "the benchmark",
    )  # fmt: skip
    directory = SweepDirectory(sweep)
    directory.prepare(description)
    run = directory.run(description.runs()[0])
    argv = [sys.executable, "-m", "rl_coordconv", "train", "--resume", str(run.path)]
    with (sweep / "output.txt").open("w") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for_rows(process, run)
            process.send_signal(signal.SIGINT)
            process.wait(_PATIENCE)
        finally:
            process.kill()
            process.wait()
    status = run.status()
    if status.state is not RunState.INTERRUPTED:
        raise InputError(f"the run that was to be interrupted is {status.state}")
    return _STEPS - status.num_timesteps


def _wait_for_rows(process: subprocess.Popen[bytes], run: RunDirectory) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not run.metrics_file.exists() or not run.metrics_file.stat().st_size:
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError("the run that was to be interrupted did not begin")
        time.sleep(0.05)


def _resume(first: Path, sweep: Path, runs: int) -> float:
    """Return how long a sweep takes that has so many copies of an interrupted run."""
    shutil.copytree(first, sweep)
    multiply(sweep, runs)
    file = SweepDirectory(sweep).config_file
    argv = [sys.executable, "-m", "rl_coordconv", "sweep", str(file), "--output", str(sweep)]
    start = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    states = [RunDirectory(one).status() for one in sorted((sweep / "runs").iterdir())]
    if done.returncode or any(one.state is not RunState.DONE for one in states):
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise InputError(f"sweep ended with {done.returncode}: {' '.join(last)}")
    if any(not one.resumes for one in states):
        raise InputError("a run was begun anew")
    return seconds
