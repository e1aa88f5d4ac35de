"""Reading files that may be damaged, hostile or no files at all, as one kind of error.

What a file says of itself is not believed: not its kind (a pipe would be waited for), not its size,
not the depth of what it holds. Symbolic links are not followed, see `links`.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.links import refuse_link

MAX_BYTES = 2**28
"""Of a file whose lines are read one by one."""
MAX_JSON_BYTES = 2**24
"""Of a JSON file; the largest that is written here has a few MB."""
MAX_LEVELS = 64
"""Of lists and objects in each other."""

_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
)
_KINDS = {
    stat.S_IFDIR: "it is a directory",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting for it and without following a link.

    Raises:
        InputError: it is none, or cannot be read.
    """
    refuse_link(path)
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        kind = _kind(path)
        raise InputError(f"{path} cannot be read: {kind or _reason(error)}") from error
    kind = _KINDS.get(stat.S_IFMT(os.fstat(handle).st_mode))
    if kind is not None:
        os.close(handle)
        raise InputError(f"{path} cannot be read: {kind}")
    return os.fdopen(handle, "rb")


def _kind(path: Path) -> str | None:
    """Say what cannot even be opened: a socket, and on Windows a directory."""
    try:
        return _KINDS.get(stat.S_IFMT(path.lstat().st_mode))
    except (OSError, ValueError):
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a file.

    Args:
        path: where it lies.
        most: bytes that it may have.

    Raises:
        InputError: no regular file, one that cannot be read, or a larger one.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise _too_large(path, most)
        try:
            return file.read(size)  # of one that grows, what there was
        except (OSError, MemoryError) as error:
            raise InputError(f"{path} cannot be read: {_reason(error)}") from error


def check_size(path: Path, most: int = MAX_BYTES) -> None:
    """Refuse a file that `read_bytes` would refuse for its size; one that is missing has none.

    Raises:
        InputError: it is larger.
    """
    if path.is_file() and path.stat().st_size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> InputError:
    return InputError(f"{path} is too large to be one of ours (allowed: {most:,} bytes)")


def read_json(path: Path, most: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file.

    Raises:
        InputError: as `read_bytes`, or no JSON (cut short, damaged), or nested deeper than
            `MAX_LEVELS`.
    """
    return parse_json(read_bytes(path, most), path)


def parse_json(content: bytes, where: object) -> Any:
    """Read JSON; raises as `read_json` does.

    Args:
        content: UTF-8.
        where: what holds it, for the message.
    """
    try:
        data = json.loads(content.decode("utf8"))
    except (ValueError, RecursionError) as error:
        what = f"no JSON ({error})" if content else "empty"
        raise InputError(f"{where} is damaged: {what}") from error
    if _levels(data) > MAX_LEVELS:
        raise InputError(
            f"{where} is damaged: more than {MAX_LEVELS} levels of lists and objects in each other"
        )
    return data


def read_mapping(path: Path, most: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        InputError: as `read_json`, or it holds something else.
    """
    data = read_json(path, most)
    if not isinstance(data, dict):
        raise InputError(f"{path} is damaged: it holds {shown(data)} rather than an object")
    return data


def _levels(data: Any) -> int:
    """Return how many lists and objects lie in each other; level by level, not by recursion."""
    level, count = [data], 0
    while level and count <= MAX_LEVELS:
        parts = [one.values() if isinstance(one, dict) else one for one in level
                 if isinstance(one, dict | list)]  # fmt: skip
        level = [value for part in parts for value in part]
        count += bool(parts)
    return count
