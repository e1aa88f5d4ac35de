"""One process at a time in a directory."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from rl_coordconv._util.errors import InputError

_NO_FILE_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that cannot lock files: some network file systems and FUSE."""
_PATIENCE = 0.5
"""Seconds in which a marker whose process has died is found, removed and replaced."""


@contextmanager
def held(directory: Path, busy: Callable[[], InputError]) -> Iterator[None]:
    """Hold a directory for this process; the lock goes with the process, however it dies.

    The operating system locks the file ``.lock``, which stays where it is and means nothing by
    itself. Where the file system cannot lock, the file ``.lock-held`` is the lock, with the
    process and its host inside: of a process that died it is removed by the next one on its host;
    on another host a person has to.

    Args:
        directory: it exists.
        busy: makes the error to be raised if another process holds the directory.

    Raises:
        InputError: the one of ``busy``; or the directory cannot be locked, because it cannot be
            written, for instance.
    """
    lock = _acquire(directory, busy)
    try:
        yield
    finally:
        lock.release()


def _acquire(directory: Path, busy: Callable[[], InputError]) -> BaseFileLock:
    try:
        directory.stat()  # filelock would make it
        # Not thread-local: whoever trains in another thread gives the lock back there.
        lock: BaseFileLock = FileLock(
            directory / ".lock", timeout=0, thread_local=False, fallback_to_soft=False
        )
        try:
            lock.acquire()
        except OSError as error:
            if isinstance(error, Timeout) or error.errno not in _NO_FILE_LOCKS:
                raise
            lock = SoftFileLock(directory / ".lock-held", timeout=_PATIENCE, thread_local=False)
            lock.acquire()
    except Timeout as error:
        raise _with_advice(busy(), lock) from error
    except OSError as error:
        raise InputError(f"cannot lock {directory}: {error}") from error
    return lock


def _with_advice(error: InputError, lock: BaseFileLock) -> InputError:
    if not isinstance(lock, SoftFileLock):
        return error
    return type(error)(f"{error}; if that process is gone, delete {lock.lock_file}")
