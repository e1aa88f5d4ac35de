"""Whether a long training keeps its memory and open files: one command, watched from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from rl_coordconv._util.errors import InputError
from rl_coordconv.benchmarks.checks import check_between
from rl_coordconv.benchmarks.timing import describe_machine, open_console
from rl_coordconv.machine.hardware import available_cores, check_threads
from rl_coordconv.runs import RunDirectory

MAX_STEPS = 1_000_000_000
_PARTS = 10
_INTERVAL = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class MemoryBenchmarkConfig:
    """Train in one process, and look at its memory and open files all the while. Linux only."""

    game: str = "Pong"
    """The game."""
    agent: str = "a2c"
    """A preset."""
    extractor: str = "coordconv"
    """The extractor."""
    steps: int = 1_000_000
    """Agent steps."""
    threads: int | None = None
    """CPU threads of the training; default: the cores this process may use."""


@dataclass(frozen=True)
class Sample:
    """One look at the process."""

    steps: int
    """Agent steps that its run directory tells."""
    resident: int
    """Bytes of memory."""
    files: int
    """Open file descriptors."""


@dataclass(frozen=True)
class Part:
    """The most that was seen within a tenth of the steps."""

    until: int
    resident: int
    files: int


def main(config: MemoryBenchmarkConfig) -> None:
    """Print the most memory and open files within each tenth of the steps.

    Raises:
        InputError: a value that is not allowed, no /proc to look into, or the training failed.
    """
    check_between("--steps", config.steps, MAX_STEPS)
    check_threads(config.threads)
    if not Path("/proc/self/statm").exists():
        raise InputError("this system has no /proc, where a process's memory is told")
    console = open_console()
    console.print(describe_machine(config.threads or available_cores()))
    with TemporaryDirectory() as place:
        samples = _watch(config, Path(place))
    console.print(_table(parts(samples, config.steps)))


def _watch(config: MemoryBenchmarkConfig, place: Path) -> list[Sample]:
    threads = [] if config.threads is None else ["--threads", str(config.threads)]
    command = [
        *(sys.executable, "-m", "rl_coordconv", "train", "--game", config.game),
        *("--agent", config.agent, "--extractor", config.extractor, *threads),
        *("--total-timesteps", str(config.steps), "--eval-episodes", "0", "--logdir", str(place)),
    ]
    with (place / "output.txt").open("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            samples = _sample(process, place)
        finally:
            process.terminate()
            process.wait()
        output.seek(0)
        said = output.read().strip().splitlines()
    if process.returncode:
        raise InputError(f"the training ended with {process.returncode}: {' '.join(said[-1:])}")
    return samples


def _sample(process: subprocess.Popen[bytes], place: Path) -> list[Sample]:
    samples = []
    while process.poll() is None:
        sample = _look(process.pid, place)
        if sample is not None:
            samples.append(sample)
        time.sleep(_INTERVAL)
    return samples


def _look(pid: int, place: Path) -> Sample | None:
    """Return what is seen now; None before the run has begun, or when the process has ended."""
    kernel = Path(f"/proc/{pid}")
    try:
        run = RunDirectory(next(place.glob("*/status.json")).parent)
        resident = int((kernel / "statm").read_text().split()[1]) * _page()
        return Sample(run.status().num_timesteps, resident, len(list((kernel / "fd").iterdir())))
    except (StopIteration, OSError, IndexError):
        return None


def _page() -> int:
    import resource  # Unix only, as all of this

    return resource.getpagesize()


def parts(samples: Sequence[Sample], steps: int) -> list[Part]:
    """Return the most that was seen in each tenth of the steps, of those in which one looked.

    The last one also has what was seen after the last step.
    """
    found = []
    for number in range(_PARTS):
        high = (number + 1) * steps // _PARTS
        within = [one for one in samples if min(one.steps * _PARTS // steps, _PARTS - 1) == number]
        if within:
            most = max(one.resident for one in within), max(one.files for one in within)
            found.append(Part(high, *most))
    return found


def _table(found: Sequence[Part]) -> Table:
    table = Table("until step", "resident memory, MiB, at most", "open files, at most")
    for part in found:
        table.add_row(f"{part.until:,}", f"{part.resident / 2**20:.0f}", str(part.files))
    return table
