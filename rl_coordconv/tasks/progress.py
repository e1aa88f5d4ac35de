"""Progress of a task's training: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from rl_coordconv._util.text import format_seconds

LINE_SECONDS = 30.0
"""From one line to the next where there is no terminal."""


class TaskProgress:
    """Shows how far a training is and what it has reached.

    Args:
        console: where; a bar in a terminal, lines elsewhere.
        title: in front of both.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        columns = (
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[line]}"),
        )
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(title, total=1.0, line="")
        self._began = self._last = time.monotonic()

    def start(self) -> None:
        """Begin; the time counts from here."""
        self._began = self._last = time.monotonic()
        self._bar.start()

    def stop(self) -> None:
        """Take the bar down."""
        self._bar.stop()

    def update(self, done: float, line: str) -> None:
        """Show a state.

        Args:
            done: the part that is done, from 0 to 1.
            line: what is reached so far, for a person.
        """
        self._bar.update(self._task, completed=done, line=line)
        now = time.monotonic()
        if self._console.is_terminal or now - self._last < LINE_SECONDS:
            return
        self._last = now
        left = (now - self._began) / done * (1 - done) if done > 0 else 0.0
        reached = f", {line}" if line else ""
        self._console.print(
            f"{self._title}: {done:.0%}{reached}, {format_seconds(left)} left", markup=False
        )
