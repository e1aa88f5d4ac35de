"""Whether a run that says it is being trained is: its process may have ended without a word."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from rl_coordconv._util.leases import find_holder, has_lease
from rl_coordconv._util.processes import began_at, exists
from rl_coordconv.runs.status import RunState, Status

SILENT_SECONDS = 300.0
"""Age of the last sign of life from which a process on another machine is taken for gone where a
run is shown. It compares two machines' clocks, and so never decides who may train."""
_CLOCK_SECONDS = 5.0
"""How far a process's start may seem to be from what it wrote later."""


def read_status(directory: Path, file: Path) -> Status:
    """Read where a run stands; one that nobody trains any more is ``interrupted``.

    Args:
        directory: the run's.
        file: its ``status.json``.

    Raises:
        InputError: the file is damaged.
    """
    status = Status.load(file)
    if status.state is not RunState.RUNNING or _is_trained(directory, status):
        return status
    # It may have been written down in between how it ended.
    now = Status.load(file)
    return now if now != status else status.model_copy(update={"state": RunState.INTERRUPTED})


def _is_trained(directory: Path, status: Status) -> bool:
    if not has_lease(directory):  # from before there were leases
        return _is_alive(status)
    holder = find_holder(directory)
    if holder is None:
        return False
    return holder.process.is_alive() or _is_recent(max(holder.time, status.heartbeat))


def _is_alive(status: Status) -> bool:
    if status.host != socket.gethostname():
        return _is_recent(status.heartbeat)
    began = began_at(status.pid)
    is_another = began is not None and began > status.heartbeat + _CLOCK_SECONDS
    return exists(status.pid) and not is_another


def _is_recent(heartbeat: float) -> bool:
    return abs(time.time() - heartbeat) < SILENT_SECONDS
