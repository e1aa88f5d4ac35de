"""Progress display of a training: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from typing import Protocol as Interface

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rl_coordconv._util.text import format_seconds

WINDOW_SECONDS = 60.0
"""The speed shown is that of the last minute: an update makes the momentary one jump."""
PLAIN_INTERVAL_SECONDS = 30.0


class SpeedMeter:
    """Steps per second over the last minute.

    Args:
        window_seconds: how far back to look.
    """

    def __init__(self, window_seconds: float = WINDOW_SECONDS) -> None:
        self._window = window_seconds
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, now: float, steps: int) -> float:
        """Note the step count at a time in seconds and return the speed, 0 at first."""
        self._seen.append((now, steps))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        then, steps_then = self._seen[0]
        return (steps - steps_then) / (now - then) if now > then else 0.0


class ProgressDisplay(Interface):
    """What a training tells about itself while it runs."""

    def update(self, steps: int, mean_return: float | None) -> None:
        """Show the agent steps done and the mean raw return of the last 100 episodes."""

    def close(self) -> None:
        """Take the display down."""


def open_progress(console: Console, title: str, total: int, done: int = 0) -> ProgressDisplay:
    """Choose the display that fits the console."""
    if console.is_terminal:
        return _LiveProgress(console, title, total, done)
    return _PlainProgress(console, title, total, done)


class _LiveProgress:
    """A rich progress bar."""

    def __init__(self, console: Console, title: str, total: int, done: int) -> None:
        self._total = total
        self._meter = SpeedMeter()
        self._meter.update(time.monotonic(), done)
        self._last = 0.0
        columns = (
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[line]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task(title, total=total, completed=done, line="")
        self._progress.start()

    def update(self, steps: int, mean_return: float | None) -> None:
        now = time.monotonic()
        if now - self._last < 0.2:  # rich redraws ten times a second at most
            return
        self._last = now
        line = describe_progress(steps, self._total, self._meter.update(now, steps), mean_return)
        self._progress.update(self._task, completed=steps, line=line)

    def close(self) -> None:
        self._progress.stop()


class _PlainProgress:
    """A line every half minute, for log files."""

    def __init__(self, console: Console, title: str, total: int, done: int) -> None:
        self._console, self._title, self._total = console, title, total
        self._meter = SpeedMeter()
        self._last = time.monotonic()
        self._meter.update(self._last, done)

    def update(self, steps: int, mean_return: float | None) -> None:
        now = time.monotonic()
        if now - self._last < PLAIN_INTERVAL_SECONDS:
            return
        self._last = now
        line = describe_progress(steps, self._total, self._meter.update(now, steps), mean_return)
        self._console.print(f"{self._title}  {line}", soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Nothing to take down."""


def describe_progress(steps: int, total: int, speed: float, mean_return: float | None) -> str:
    """Say in one line how far a training is; speed in agent steps per second."""
    shown = "return -" if mean_return is None else f"return {mean_return:.1f}"
    left = format_seconds((total - steps) / speed) if speed > 0 else "?"
    return f"{steps:,}/{total:,} steps  {speed:,.0f} steps/s  {shown}  {left} left"
