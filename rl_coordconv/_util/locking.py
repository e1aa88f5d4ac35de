"""One process at a time in a directory, on one machine and on several that share it."""

from __future__ import annotations

import errno
import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.leases import Lease, acquire
from rl_coordconv._util.text import visible

_NO_FILE_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that cannot lock files: some network file systems and FUSE."""
_LOOK_SECONDS = 0.5


class _TakenError(Exception):
    """Another process holds the directory."""


@contextmanager
def held(
    directory: Path, busy: Callable[[], InputError], *, patience: float = 0.0, watch: bool = True
) -> Iterator[Lease]:
    """Hold a directory for this process; the hold goes with the process, however it dies.

    Two things keep others out. The operating system locks the file ``.lock``, which tells at once
    and for certain where it works; but some network file systems have no locks, and some keep them
    to one machine without saying so. So there is a lease besides (see `leases`), which needs none.

    Args:
        directory: it exists.
        busy: makes the error to be raised if another process holds the directory.
        patience: seconds in which another holder may leave.
        watch: whether a lease of another machine is watched until it is known whether its holder is
            alive, up to `leases.LEASE_SECONDS`; otherwise it counts as held.

    Raises:
        InputError: the one of ``busy``; or the directory cannot be locked, because it cannot be
            written, for instance.
    """
    lock, lease = _acquire_patiently(directory, busy, patience, watch)
    try:
        yield lease
    finally:
        lease.release()
        if lock is not None:
            lock.release()


def _acquire_patiently(
    directory: Path, busy: Callable[[], InputError], patience: float, watch: bool
) -> tuple[BaseFileLock | None, Lease]:
    deadline = time.monotonic() + patience
    while True:
        try:
            return _acquire(directory, watch)
        except _TakenError as taken:
            if time.monotonic() >= deadline:
                raise busy() from taken
        except OSError as error:
            raise InputError(f"cannot lock {directory}: {error}") from error
        time.sleep(_LOOK_SECONDS)


def _acquire(directory: Path, watch: bool) -> tuple[BaseFileLock | None, Lease]:
    directory.stat()  # filelock would make it
    lock = _lock_file(directory)
    try:
        lease = acquire(directory, watch=watch, tell=_tell)
        if lease is None:
            raise _TakenError
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return lock, lease


def _lock_file(directory: Path) -> BaseFileLock | None:
    """Lock the file ``.lock``; None where the file system cannot."""
    # Not thread-local: whoever trains in another thread gives the lock back there.
    lock = FileLock(directory / ".lock", timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise _TakenError from error
    except OSError as error:
        if error.errno not in _NO_FILE_LOCKS:
            raise
        _tell(
            f"the file system of {directory} cannot lock files ({error.strerror}): a lease that is "
            "renewed every few seconds keeps other processes out"
        )
        return None
    return lock


@functools.cache
def _tell(sentence: str) -> None:
    print(f"note: {visible(sentence)}", file=sys.stderr, flush=True)
