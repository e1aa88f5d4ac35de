"""The supervisor of a sweep: starts its runs, sees how they end, retries, gives up.

What it knows lies in the runs' directories; killed and started again it goes on from there.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.leases import LeaseWatch, Standing
from rl_coordconv.runs import RunConfig, RunDirectory, RunState, Status
from rl_coordconv.runs.precision import Finding
from rl_coordconv.sweeps import worker_log

PATIENCE_SECONDS = 60.0
"""How long workers may take to save when they are asked to stop."""
_WATCH_SECONDS = 5.0
"""Time between two looks at a run of another machine of which it is not known whether it lives."""


@dataclass(frozen=True)
class Outcome:
    """How a worker ended."""

    kind: Literal["ended", "stopped", "busy", "failed"]
    """ended: look into the run's status; stopped: it was asked to; busy: another process holds the
    run; failed: it ended with an error, or was ended."""
    reason: str = ""


class Job(Protocol):
    """A run that is being trained somewhere."""

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it goes on."""

    def terminate(self) -> None:
        """Ask it to save and stop."""

    def kill(self) -> None:
        """End it at once."""


class Launcher(Protocol):
    """Where runs are trained."""

    jobs: int
    """How many at a time."""

    def start(self, run: RunDirectory, slot: int) -> Job:
        """Begin to train a run."""

    def find_precisions(self, configs: Sequence[RunConfig]) -> list[Finding]:
        """Find the precision of every arm on every machine that may train it."""

    def describe(self) -> str:
        """Say how many runs at a time are trained, with what, and where."""

    def close(self) -> None:
        """Give back what is held."""


def status_of(run: RunDirectory) -> Status:
    """Read where a run stands; one that cannot be read has failed, and must not stop the others."""
    try:
        return run.status()
    except InputError as error:
        return Status(state=RunState.FAILED, error=str(error))


@dataclass
class Entry:
    """One run of the sweep, as the supervisor keeps track of it."""

    run: RunDirectory
    total_timesteps: int
    damage: str | None = None
    """Why nothing can be done with the run's directory."""
    job: Job | None = None
    slot: int = -1
    failures: int = 0
    """Attempts in this sweep that have failed."""
    not_before: float = 0.0
    """Monotonic time before which it is not tried again."""
    heartbeat: float = 0.0
    """The newest one seen in its status."""
    seen_alive: float = math.inf
    """Monotonic time at which that heartbeat was new; never, before this attempt has begun."""
    is_settled: bool = False
    """Whether nothing more will be done for it in this sweep."""
    is_elsewhere: bool = False
    """Whether it was told that another process holds it."""

    def __post_init__(self) -> None:
        self._watch = LeaseWatch(self.run.path)

    def standing(self) -> Standing:
        """Tell whether another process holds the run, so far as this process has seen."""
        return self._watch.look()

    def status(self) -> Status:
        """Read where the run stands."""
        if self.damage is not None:
            return Status(state=RunState.FAILED, error=self.damage)
        return status_of(self.run)

    def fault(self) -> str | None:
        """Say why nothing can be done with the run's directory; None where something can."""
        try:
            self.run.status()
        except InputError as error:
            return str(error)
        return self.damage

    @property
    def state(self) -> RunState:
        """What the run's directory says, corrected by what is known here."""
        if self.job is not None:
            return RunState.RUNNING
        state = self.status().state
        # What has failed will be tried again, as long as it is not settled.
        is_open = state is RunState.FAILED and not self.is_settled
        return RunState.INTERRUPTED if is_open else state


@dataclass
class Supervisor:
    """Trains runs, several at a time.

    Args:
        entries: the runs, in the order in which they are to begin.
        launcher: where they are trained.
        retries: how often a run whose attempt failed is tried again.
        retry_diverged: whether one that diverged is, too. Trying until one does not diverge selects
            the results, so that it has to be asked for.
        tell: is told, in a line, what happened.
        show: is called now and then, for a display.
        poll_seconds: time between two looks at the workers.
        busy_seconds: time after which a run that another process holds is looked at again.
        leaves_others: whether a run that another process holds is left to it; otherwise it is
            waited for, because that process may die.
        stall_seconds: time without a heartbeat after which a worker counts as failed.
    """

    entries: list[Entry]
    launcher: Launcher
    retries: int = 3
    retry_diverged: bool = False
    tell: Callable[[str], None] = print
    show: Callable[[], None] = lambda: None
    poll_seconds: float = 0.25
    busy_seconds: float = 15.0
    stall_seconds: float = 900.0
    leaves_others: bool = False
    _free: deque[int] = field(default_factory=deque)

    def work(self, is_stopped: Callable[[], bool]) -> None:
        """Train until every run is done or has failed, or somebody asks to stop.

        Workers are not left behind, whatever happens.
        """
        self._free.extend(range(self.launcher.jobs))
        for entry in self.entries:
            self._close_what_is_over(entry)
        try:
            while not is_stopped() and any(not entry.is_settled for entry in self.entries):
                self._look()
                self._begin()
                self.show()
                time.sleep(self.poll_seconds)
            self._stop()
        finally:
            for entry in self._working():
                entry.job.kill()  # type: ignore[union-attr]
                self._record_interruption(entry)
            self.launcher.close()

    def _close_what_is_over(self, entry: Entry) -> None:
        """Settle what is done, and what nothing is to be done about."""
        name, status, fault = entry.run.path.name, entry.status(), entry.fault()
        entry.is_settled = status.state is RunState.DONE
        if fault is not None:
            entry.is_settled = True
            self.tell(f"{name} has failed for good: {fault}")
        elif self._is_given_up(status):
            entry.is_settled = True
            self.tell(f"{name} had diverged and is not tried again: {status.error}")

    def _is_given_up(self, status: Status) -> bool:
        return status.has_diverged and not self.retry_diverged

    def _working(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.job is not None]

    def _begin(self) -> None:
        now = time.monotonic()
        for entry in self.entries:
            if not self._free:
                return
            is_open = entry.job is None and not entry.is_settled and now >= entry.not_before
            if is_open and self._is_ours_to_begin(entry):
                entry.slot = self._free.popleft()
                self._start(entry)

    def _is_ours_to_begin(self, entry: Entry) -> bool:
        """Tell whether a run waits for somebody to train it, as it was left by whoever had it."""
        standing = entry.standing()
        if standing is Standing.FREE:
            entry.is_elsewhere = False
            self._close_what_is_over(entry)
            if entry.is_settled and entry.status().state is RunState.DONE:
                self.tell(f"{entry.run.path.name} is done")
            return not entry.is_settled
        is_known = standing is Standing.HELD
        entry.not_before = time.monotonic() + (self.busy_seconds if is_known else _WATCH_SECONDS)
        if is_known:
            self._leave_to_others(entry)
        return False

    def _leave_to_others(self, entry: Entry) -> None:
        entry.is_settled = self.leaves_others
        if not entry.is_elsewhere:
            then = "left to it" if self.leaves_others else "tried again later"
            self.tell(f"{entry.run.path.name} is held by another process; {then}")
        entry.is_elsewhere = True

    def _start(self, entry: Entry) -> None:
        status = entry.status()
        verb = "goes on" if status.num_timesteps else "begins"
        self.tell(f"{entry.run.path.name} {verb}")
        # One that waits for its turn in a cluster writes none, and has not failed.
        entry.heartbeat, entry.seen_alive = status.heartbeat, math.inf
        try:
            entry.job = self.launcher.start(entry.run, entry.slot)
        except (InputError, OSError) as error:  # no memory, no disk space: the others go on
            self._settle(entry, Outcome("failed", f"it could not be started: {error}"))

    def _look(self) -> None:
        for entry in self._working():
            outcome = entry.job.poll()  # type: ignore[union-attr]
            if outcome is None and self._is_stalled(entry):
                entry.job.kill()  # type: ignore[union-attr]
                outcome = Outcome("failed", f"no sign of life for {self.stall_seconds:.0f} seconds")
            if outcome is not None:
                self._settle(entry, outcome)

    def _is_stalled(self, entry: Entry) -> bool:
        """Tell whether a worker that has begun has stopped writing heartbeats.

        By this process's own clock: the worker's may be another machine's.
        """
        heartbeat = entry.status().heartbeat
        if heartbeat != entry.heartbeat:
            entry.heartbeat, entry.seen_alive = heartbeat, time.monotonic()
        return time.monotonic() - entry.seen_alive > self.stall_seconds

    def _settle(self, entry: Entry, outcome: Outcome) -> None:
        entry.job = None
        self._free.append(entry.slot)
        name, state = entry.run.path.name, entry.status().state
        if state is RunState.DONE:
            entry.is_settled = True
            self.tell(f"{name} is done")
        elif outcome.kind == "busy":
            entry.not_before = time.monotonic() + self.busy_seconds
            self._leave_to_others(entry)
        elif outcome.kind == "stopped":
            self.tell(f"{name} was stopped")
            entry.not_before = time.monotonic() + self.busy_seconds
        else:
            self._handle_failure(entry, outcome)

    def _handle_failure(self, entry: Entry, outcome: Outcome) -> None:
        entry.failures += 1
        name = entry.run.path.name
        reason = self._record_failure(entry, outcome)
        if self._is_given_up(entry.status()):
            entry.is_settled = True
            self.tell(f"{name} has diverged and is not tried again: {reason}")
            return
        if entry.failures > self.retries:
            entry.is_settled = True
            self.tell(f"{name} has failed for good: {reason}")
            return
        entry.not_before = time.monotonic() + min(60.0, 2.0 ** (entry.failures - 1))
        attempt = f"attempt {entry.failures + 1} of {self.retries + 1}"
        self.tell(f"{name} failed ({reason}); {attempt} follows")

    def _record_failure(self, entry: Entry, outcome: Outcome) -> str:
        """Write into the run's status why the attempt failed, unless it did so itself."""
        status = entry.status()
        if status.state is RunState.FAILED and status.error:
            return status.error
        reason = outcome.reason or "it ended without being done"
        if error := worker_log.last_error(entry.run.path):
            reason = f"{reason}: {error}"
        problem = self._write_down(
            entry,
            status,
            state=RunState.FAILED,
            error=reason,
            traceback=worker_log.last_lines(entry.run.path),
        )
        return f"{reason}; that could not be written down: {problem}" if problem else reason

    def _record_interruption(self, entry: Entry) -> None:
        """Write into the status of a run whose worker was ended that it does not run any more."""
        with suppress(InputError):
            status = Status.load(entry.run.status_file)
            if status.state is RunState.RUNNING:
                self._write_down(entry, status, state=RunState.INTERRUPTED)

    def _write_down(self, entry: Entry, seen: Status, **changes: object) -> str | None:
        """Change a status that was judged, and return what prevented that.

        Nothing may: the other runs go on.
        """
        try:
            # Another sweep may have taken it up by now.
            with entry.run.locked(watch=False, check=False):
                now = Status.load(entry.run.status_file)
                if (now.pid, now.host, now.heartbeat) != (seen.pid, seen.host, seen.heartbeat):
                    return "another process has had the run since"
                entry.status().model_copy(update=changes).save(entry.run.status_file)
        except (InputError, OSError) as error:  # a full disk, for instance
            return str(error)
        return None

    def _stop(self) -> None:
        for entry in self._working():
            entry.job.terminate()  # type: ignore[union-attr]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._working() and time.monotonic() < deadline:
            for entry in self._working():
                if entry.job.poll() is not None:  # type: ignore[union-attr]
                    entry.job = None
            self.show()
            time.sleep(self.poll_seconds)
