"""Sweep progress, read from the runs' files, and shown as a live table or as plain lines."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rl_coordconv._util.text import format_seconds, visible
from rl_coordconv.runs import RunState
from rl_coordconv.runs.metrics import newest_metric
from rl_coordconv.sweeps.supervisor import Entry
from rl_coordconv.training.progress import SpeedMeter

PLAIN_INTERVAL_SECONDS = 60.0
_SHOWN_SECONDS = 1.0
_STYLES = {
    RunState.RUNNING: "bold green",
    RunState.DONE: "dim",
    RunState.FAILED: "bold red",
    RunState.INTERRUPTED: "yellow",
    RunState.PENDING: "",
}
_ORDER = (RunState.RUNNING, RunState.FAILED, RunState.INTERRUPTED, RunState.PENDING, RunState.DONE)


@dataclass(frozen=True)
class Row:
    """What is known of a run at a moment."""

    name: str
    state: RunState
    steps: int
    total: int
    speed: float
    """Agent steps per second of the last minute; 0 where it does not run."""
    latest_return: float | None
    where: str = ""
    """The machine that trains it, or what waits for one."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds that its training will take; None where that is not known."""
        return max(0, self.total - self.steps) / self.speed if self.speed > 0 else None


class SweepProgress:
    """Reads the runs' files, each at most once a second.

    Args:
        entries: the supervisor's.
        jobs: runs at a time.
    """

    def __init__(self, entries: list[Entry], jobs: int) -> None:
        self._entries, self._jobs = entries, jobs
        self._meters: dict[str, SpeedMeter] = {}
        self._began = time.monotonic()
        self._steps_at_begin = {
            entry.run.path.name: entry.status().num_timesteps for entry in entries
        }

    def rows(self) -> list[Row]:
        """Return a row for every run."""
        return [self._row(entry) for entry in self._entries]

    def _row(self, entry: Entry) -> Row:
        status, name, state = entry.status(), entry.run.path.name, entry.state
        meter, speed = self._meters.setdefault(name, SpeedMeter()), 0.0
        if state is RunState.RUNNING and status.heartbeat:
            # By the heartbeats' own time: between two of them the steps stand still.
            speed = meter.update(status.heartbeat, status.num_timesteps)
        elif state is not RunState.RUNNING:
            self._meters[name] = SpeedMeter()  # the next attempt may go back to a checkpoint
        return Row(name, state, status.num_timesteps, entry.total_timesteps, speed,
                   latest_return(entry.run.metrics_file))  # fmt: skip

    def seconds_left(self, rows: list[Row]) -> float | None:
        """Estimate how long the whole sweep will take from here, at the speed it has had so far."""
        elapsed = time.monotonic() - self._began
        gained = sum(max(0, row.steps - self._steps_at_begin[row.name]) for row in rows)
        open_rows = [row for row in rows if row.state not in (RunState.DONE, RunState.FAILED)]
        left = sum(max(0, row.total - row.steps) for row in open_rows)
        return elapsed * left / gained if gained else None


def latest_return(path: Path) -> float | None:
    """Return the newest ``rollout/ep_rew_mean`` of a ``metrics.jsonl``, None if there is none."""
    return newest_metric(path, "rollout/ep_rew_mean")


class SweepDisplay:
    """A live table in a terminal; elsewhere a line a minute, beside what happens.

    Args:
        console: where.
        progress: what is shown.
    """

    def __init__(self, console: Console, progress: SweepProgress) -> None:
        self._console, self._progress = console, progress
        self._shown = time.monotonic() if not console.is_terminal else 0.0
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> SweepDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._refresh()
            self._live.stop()

    def tell(self, line: str) -> None:
        """Show that something happened."""
        show_line(self._console, line)

    def show(self) -> None:
        """Bring the display up to date, if it is time."""
        interval = PLAIN_INTERVAL_SECONDS if self._live is None else _SHOWN_SECONDS
        if time.monotonic() - self._shown < interval:
            return
        self._shown = time.monotonic()
        self._refresh()

    def _refresh(self) -> None:
        rows = self._progress.rows()
        line = describe_sweep(rows, self._progress.seconds_left(rows))
        if self._live is None:
            self.tell(line)
            return
        height = max(3, self._console.size.height - 6)
        self._live.update(Group(rows_table(rows, height), Text(line)), refresh=True)


def show_line(console: Console, line: str) -> None:
    """Print a line as it is: what stands in a damaged file moves no cursor, and ends nothing."""
    console.print(visible(line), soft_wrap=True, highlight=False, markup=False, emoji=False)


def rows_table(rows: list[Row], height: int) -> Table:
    """Draw the runs, those at work first, and say how many are left out."""
    wheres = ["where"] if any(row.where for row in rows) else []
    table = Table("run", "state", "steps", "steps/s", "return", "left", *wheres, expand=False)
    chosen = sorted(rows, key=lambda row: _ORDER.index(row.state))[:height]
    for row in chosen:
        left = row.seconds_left
        table.add_row(
            Text(visible(row.name), overflow="ellipsis", no_wrap=True),
            Text(row.state, style=_STYLES[row.state]),
            f"{row.steps:,}/{row.total:,}",
            f"{row.speed:,.0f}" if row.speed else "-",
            "-" if row.latest_return is None else f"{row.latest_return:.1f}",
            "-" if left is None else format_seconds(left),
            *[Text(visible(row.where))] * len(wheres),
        )
    if len(rows) > len(chosen):
        table.caption = f"and {len(rows) - len(chosen)} more"
    return table


def describe_sweep(rows: list[Row], seconds_left: float | None) -> str:
    """Say in a line how many runs are in which state, and how long the rest will take."""
    counts = [(state, sum(row.state is state for row in rows)) for state in _ORDER]
    parts = [f"{count} {state}" for state, count in counts if count]
    # The last rollout may go beyond what was asked for.
    steps, total = sum(min(row.steps, row.total) for row in rows), sum(row.total for row in rows)
    left = "?" if seconds_left is None else format_seconds(seconds_left)
    return f"{', '.join(parts)} of {len(rows)} runs; {steps / total:.0%} of all steps; {left} left"
