"""Leases: a directory is held by whoever lets a file in it change.

They need no file locks, which some network file systems lack and others keep to one host. The
files are numbered: a lease is taken by making the next number, which only one process can, and
each file is written by its own holder alone. A holder on this machine is asked for by its process;
one on another machine is dead when its file has not changed for `LEASE_SECONDS` of the observer's
own clock. The clocks of two machines are never compared.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter

from rl_coordconv._util.processes import Process

LEASE_SECONDS = 90.0
"""How long a lease may stay unchanged before others take its holder for dead. More than the 60
seconds for which NFS clients may show an old directory."""
BEAT_SECONDS = 10.0
"""Time between two renewals."""
TRUSTED_SECONDS = 45.0
"""How long a holder relies on its last renewal; half of what makes it dead for others."""

_SETTLE_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_SIZE = 512
"""Bytes of a lease file: it is written in place, where NFS shows others the newest content."""
_NAME = re.compile(r"\.lease-(\d{6,})")


class LeaseLostError(Exception):
    """A lease that this process held is another's by now, or cannot be renewed."""


class Standing(Enum):
    """What is known of a directory's lease."""

    FREE = "nobody holds it, or who did is dead"
    HELD = "its holder is alive"
    UNSURE = "it is another machine's, and has not been watched for long enough"


@dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    process: Process
    beat: int
    """How often it was renewed."""
    time: FiniteFloat
    """When that was by the holder's clock, in seconds since the epoch; for people only."""
    is_released: bool = False

    def encode(self) -> bytes:
        """Return a lease file's content."""
        return json.dumps(asdict(self)).encode("utf8").ljust(_SIZE - 1) + b"\n"

    @classmethod
    def decode(cls, content: bytes) -> Holder | None:
        """Read a lease file's content; None where it says nothing, because it is being written."""
        try:
            return _ADAPTER.validate_json(content, strict=True)
        except ValueError:
            return None


_ADAPTER: TypeAdapter[Holder] = TypeAdapter(Holder)


def find_holder(directory: Path) -> Holder | None:
    """Return who holds a directory, so far as can be told in one look.

    None where nobody does, or its process is known to be gone. One on another machine counts as the
    holder whether it lives or not.
    """
    holder = None
    with suppress(OSError):
        if (found := _newest(directory)) is not None:
            holder = Holder.decode(_read(_path(directory, found)))
    if holder is None or holder.is_released or holder.process.is_alive() is False:
        return None
    return holder


def has_lease(directory: Path) -> bool:
    """Tell whether a directory was ever held, by versions that have leases."""
    with suppress(OSError):
        return _newest(directory) is not None
    return False


class LeaseWatch:
    """Watches a directory's lease, by this process's own clock.

    Args:
        directory: what is held.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: tuple[int, bytes] | None = None
        self._since = 0.0
        self._has_changed = False
        self.number = 0
        """Of the newest lease; 0 where there is none."""

    def look(self) -> Standing:
        """Look once; the first look at another machine's lease tells nothing yet."""
        try:
            number = _newest(self._directory)
            content = b"" if number is None else _read(_path(self._directory, number))
        except OSError:  # a file system that does not answer tells nothing, and begins anew
            self._seen = None
            return Standing.UNSURE
        self.number = number or 0
        if number is None:
            return Standing.FREE
        holder = Holder.decode(content)
        is_alive = None
        if holder is not None:
            is_alive = False if holder.is_released else holder.process.is_alive()
        if is_alive is not None:
            return Standing.HELD if is_alive else Standing.FREE
        return self._compare((number, content))

    def _compare(self, now: tuple[int, bytes]) -> Standing:
        if now != self._seen:
            self._has_changed = self._seen is not None
            self._seen, self._since = now, time.monotonic()
        elif time.monotonic() - self._since > LEASE_SECONDS:
            return Standing.FREE
        return Standing.HELD if self._has_changed else Standing.UNSURE


class Lease:
    """A lease that this process holds, renewed by a thread until it is released.

    Args:
        directory: what is held.
        number: of the lease.
        holder: what its file holds.
    """

    def __init__(self, directory: Path, number: int, holder: Holder) -> None:
        self._directory, self._number, self._holder = directory, number, holder
        self._path = _path(directory, number)
        self._is_lost = False
        self._renewed = _now()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError):  # tried again; `check` tells when that has lasted too long
                self._renew()

    def _renew(self) -> None:
        with self._lock:
            self._look_for_successor()
            if self._is_lost or self._ended.is_set():
                return
            began = _now()
            self._write(beat=self._holder.beat + 1, time=time.time())
            if began - self._renewed > TRUSTED_SECONDS:
                # Somebody may have taken this process for dead a moment before.
                time.sleep(_SETTLE_SECONDS)
                self._look_for_successor()
            if not self._is_lost:
                self._renewed = began

    def _look_for_successor(self) -> None:
        self._is_lost = self._is_lost or (_newest(self._directory) or 0) > self._number

    def _write(self, **changes: Any) -> None:
        self._holder = Holder(**vars(self._holder) | changes)
        with self._path.open("r+b") as file:
            file.write(self._holder.encode())

    def check(self) -> None:
        """Make sure that the lease is still this process's, before something is written under it.

        A process that was stopped for long renews it first, and sees whether somebody else was
        about to take it.

        Raises:
            LeaseLostError: it is another's, or cannot be renewed.
        """
        try:
            if _now() - self._renewed > TRUSTED_SECONDS:
                self._renew()
            self._look_for_successor()
        except OSError as error:
            raise LeaseLostError(f"{self._path} cannot be renewed: {error}") from error
        if self._is_lost:
            raise LeaseLostError(f"{self._path} has been taken over")

    def release(self) -> None:
        """Give it back."""
        self._ended.set()
        if self._holder.process.pid != os.getpid():  # a fork of the holder
            return
        with self._lock, suppress(OSError):  # others see that the process has ended
            self._write(is_released=True)


def acquire(directory: Path, *, watch: bool, tell: Callable[[str], None]) -> Lease | None:
    """Take a directory's lease, unless somebody has it.

    Args:
        directory: it exists.
        watch: whether another machine's lease is watched until it is known whether its holder is
            alive; otherwise it counts as held.
        tell: is told, once, what is waited for.

    Returns:
        The lease, or None where its holder is alive, or may be.

    Raises:
        OSError: nothing can be written there.
    """
    watcher, has_told = LeaseWatch(directory), False
    while True:
        standing = watcher.look()
        if standing is Standing.FREE:
            lease = _take(directory, watcher.number + 1)
            if lease is not None:
                return lease
        elif standing is Standing.HELD or not watch:
            return None
        else:
            if not has_told:
                tell(_describe_wait(directory))
                has_told = True
            time.sleep(_LOOK_SECONDS)


def _describe_wait(directory: Path) -> str:
    holder = find_holder(directory)
    who = "" if holder is None else f" by pid {holder.process.pid} on {holder.process.host}"
    return (
        f"{directory} is held{who}: waiting to see whether that process is alive, for up to "
        f"{LEASE_SECONDS:.0f} seconds"
    )


def _take(directory: Path, number: int) -> Lease | None:
    """Make the lease of a number, which one process alone can; None where another was faster."""
    path = _path(directory, number)
    holder = Holder(Process.this(), 0, time.time())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None
    try:
        with os.fdopen(handle, "wb") as file:
            if (_newest(directory) or 0) > number:  # what was seen as the newest was old
                path.unlink(missing_ok=True)
                return None
            # Before it is written: on a full disk there is room for it then.
            for old in _numbers(directory):
                if old < number - 1:
                    _path(directory, old).unlink(missing_ok=True)
            file.write(holder.encode())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Lease(directory, number, holder)


def _path(directory: Path, number: int) -> Path:
    return directory / f".lease-{number:06d}"


def _numbers(directory: Path) -> list[int]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [int(match[1]) for match in map(_NAME.fullmatch, names) if match]


def _newest(directory: Path) -> int | None:
    return max(_numbers(directory), default=None)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_SIZE)
    except FileNotFoundError:  # its holder has taken the next one
        return b""


def _now() -> float:
    """Return seconds on a clock that goes on while the machine is suspended, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
