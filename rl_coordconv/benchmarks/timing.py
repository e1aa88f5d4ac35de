"""Time several candidates alternately, so that the machine's moods fall on all of them."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from rl_coordconv.machine.hardware import available_cores, cpu_model


@dataclass(frozen=True)
class Ratio:
    """A candidate's figure divided by the reference's of the same round, over all rounds."""

    median: float
    minimum: float
    maximum: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.minimum:.3f}-{self.maximum:.3f})"


def alternate(candidates: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure all candidates once a round, in turn; every other round in reverse order.

    Args:
        candidates: functions that each measure once and return a figure (seconds or steps/s).
        rounds: how often.

    Returns:
        The figures of each candidate, in the order of the rounds.
    """
    figures: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            figures[name].append(candidates[name]())
    return figures


def ratio(figures: Sequence[float], reference: Sequence[float]) -> Ratio:
    """Divide two candidates' figures round by round."""
    ratios = [value / base for value, base in zip(figures, reference, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def seconds_per_call(function: Callable[[], object], calls: int) -> float:
    """Return the mean wall-clock time of a call."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def calls_for(function: Callable[[], object], seconds: float) -> int:
    """Return how many calls take about that long; also warms the function up."""
    for _ in range(3):
        function()
    return max(1, round(seconds / seconds_per_call(function, 3)))


def describe_machine(threads: int) -> str:
    """Return a line for the head of a benchmark: processor, cores, threads, versions."""
    packages = ("torch", "stable-baselines3", "ale-py", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"{cpu_model()}, {available_cores()} cores, {threads} threads; "
        f"Python {platform.python_version()}, {versions}"
    )


def open_console() -> Console:
    """Return a console; away from a terminal, one wide enough that no table cell is broken."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        return console
    return Console(width=140, highlight=False, markup=False, emoji=False)
