"""Processes by more than their number, which the system gives to another one later."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Places after the name in ``/proc/PID/stat``: the state, and the start in ticks since the boot."""
_GONE = ("Z", "X")
"""States of a process that has ended, and whose parent has not asked for it yet."""


@dataclass(frozen=True)
class Process:
    """A process of some machine."""

    host: str
    """The machine's name, for people."""
    machine: str
    """The machine since its last start, and the container: where numbers of processes count."""
    pid: int
    started: int
    """When it began, in the system's own ticks; 0 where that is not known."""

    @classmethod
    def this(cls) -> Process:
        """Return the process that calls."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, _start_of(pid) or 0)

    def is_alive(self) -> bool | None:
        """Tell whether it is there; None where that cannot be told from here."""
        if self.machine != _machine() or self.host != socket.gethostname() or os.name != "posix":
            return None
        if not exists(self.pid):
            return False
        started = _start_of(self.pid)
        return self.started in (0, started) if started is not None else True


def exists(pid: int) -> bool:
    """Tell whether there is a process of that number on this machine (POSIX)."""
    if os.name != "posix":  # there the question would end it
        return True
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # somebody else's
    except (OSError, OverflowError):
        return False
    stat = _stat(pid)
    return stat is None or stat[_STATE] not in _GONE


def began_at(pid: int) -> float | None:
    """Return when a process of this machine began, in seconds since the epoch; None if unknown."""
    started = _start_of(pid)
    try:
        lines = (_PROC / "stat").read_text().splitlines()
        boot = next(float(line.split()[1]) for line in lines if line.startswith("btime "))
        return None if started is None else boot + started / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, StopIteration):
        return None


def _start_of(pid: int) -> int | None:
    stat = _stat(pid)
    return None if stat is None else int(stat[_STARTED])


def _stat(pid: int) -> list[str] | None:
    try:
        content = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold spaces and parentheses itself.
    fields = content.rpartition(")")[2].split()
    return fields if len(fields) > _STARTED else None


@cache
def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()
