"""Writing files so that a crash leaves the old content or the new one, never half of either.

A rename alone survives a killed process, but not a power cut: it may reach the disk before the
content does. So content is flushed before it is renamed, and the rename after it. Nothing is
written through a symbolic link.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.links import refuse_link

_NO_DIRECTORY_SYNC = (errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
"""What Windows and some network file systems answer where a directory cannot be flushed."""


_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that the disk, or one's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def naming(path: Path, *, instead_of_others: bool = False) -> Iterator[None]:
    """Let an error that an open file raises, which names none, name the file.

    Args:
        path: what is named.
        instead_of_others: also where the error names another one, such as a temporary file.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or (error.filename is not None and not instead_of_others):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content in one step.

    The temporary file lies in the same directory because a rename is atomic only within one file
    system.

    Raises:
        InputError: a link or a directory has its name.
        OSError: it cannot be written; names the file, not the temporary one.
    """
    _check_target(path)
    with naming(path, instead_of_others=True):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
            replace(Path(temporary), path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def overwrite_bytes(path: Path, content: bytes) -> None:
    """Write over a file in its own place, which needs no room on a full disk.

    A crash in the middle leaves neither the old content nor the new one.

    Args:
        path: a file that is there.
        content: no more than a block of the file system, `BLOCK` bytes, else it may not fit.
    """
    refuse_link(path)
    with naming(path), path.open("rb+") as file:
        file.write(content)
        file.truncate()


BLOCK = 4096
"""Bytes that a file system gives a file at least."""


def write_text(path: Path, text: str) -> None:
    """Replace a file's content by UTF-8 in one step; raises as `write_bytes`."""
    write_bytes(path, text.encode("utf8"))


def write_json(path: Path, data: Any) -> None:
    """Replace a file's content by JSON in one step.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
        InputError: as `write_bytes`.
    """
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def replace(temporary: Path, final: Path) -> None:
    """Rename a file or a whole directory into place, so that a power cut keeps it there whole.

    Raises:
        InputError: a link has its name, or a directory that of a file.
    """
    replace_all([(temporary, final)])


def replace_all(moves: Iterable[tuple[Path, Path]]) -> None:
    """Do as `replace` does for several, with fewer waits for the disk.

    Args:
        moves: what is renamed, and to where; both in one file system.
    """
    moves = list(moves)
    for temporary, final in moves:
        _check_target(final, is_folder=temporary.is_dir())
        _sync_tree(temporary)
    for temporary, final in moves:
        os.replace(temporary, final)
    for folder in dict.fromkeys(final.parent for _, final in moves):
        sync_directory(folder)


def set_aside(damaged: Path, aside: Path) -> None:
    """Rename something that cannot be used, whatever it is: it is not opened, nor a link followed.

    Raises:
        InputError: it cannot be renamed.
    """
    try:
        os.replace(damaged, aside)
    except OSError as error:
        raise InputError(f"{damaged} cannot be kept as {aside.name}: {error}") from error


def _check_target(path: Path, *, is_folder: bool = False) -> None:
    refuse_link(path)
    if path.is_dir() and not is_folder:
        raise InputError(f"{path} cannot be written: it is a directory")


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb+") as file:  # Windows flushes only what is open for writing
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until a directory's entries are on the disk, where the system can do that."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise


def _sync_tree(path: Path) -> None:
    if not path.is_dir():
        sync_file(path)
        return
    for inner in sorted(path.iterdir()):
        _sync_tree(inner)
    sync_directory(path)
