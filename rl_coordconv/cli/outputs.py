"""What a command will write, tried before it begins to work."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rl_coordconv._util.errors import InputError, MissingExtraError, closest, missing_extra


def check_file(flag: str, path: Path, endings: Iterable[str] = ()) -> None:
    """Refuse a file that could not be written.

    Args:
        flag: the flag that named it, for the message.
        path: the file; one that is there will be replaced.
        endings: those that are allowed, whatever their case; none allows all.

    Raises:
        InputError: another ending, a link, a directory, or a folder that is missing or cannot be
            written.
    """
    allowed = tuple(endings)
    if allowed and path.suffix.lower() not in allowed:
        nearest = closest(path.suffix, allowed, most=1)
        hint = f"; did you mean {path.stem + nearest[0]!r}?" if nearest else ""
        raise InputError(f"{flag} {path} has no known ending{hint} (allowed: {', '.join(allowed)})")
    if path.is_symlink():
        raise InputError(f"{flag} {path} is a link, through which nothing is written")
    if path.is_dir():
        raise InputError(f"{flag} {path} is a directory; name a file in it")
    if path.exists() and not path.is_file():
        raise InputError(f"{flag} {path} is no regular file")
    if not path.parent.is_dir():
        raise InputError(f"{flag} {path}: the folder {path.parent} does not exist")
    _try_writing(flag, path.parent)


def check_folder(flag: str, path: Path) -> None:
    """Refuse a directory that could neither be made nor written; nothing is left behind.

    Raises:
        InputError: it, or what should hold it, is a file or cannot be written.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise InputError(f"{flag} {path}: {there} is a file, not a directory")
    _try_writing(flag, there)


def check_extra(package: str, extra: str, purpose: str) -> None:
    """Refuse what an optional dependency is missing for.

    Raises:
        MissingExtraError: ``package`` is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise missing_extra(package.replace("_", "-"), extra, purpose)


def missing_for_reports() -> MissingExtraError | None:
    """Return the error that `compare` would end with for want of a package; None if it would not.

    The sweep that comes before it takes hours: it tells at its beginning.
    """
    try:
        check_reports()
    except MissingExtraError as error:
        return error
    return None


def check_reports() -> None:
    """Refuse to write a report without the packages that it takes.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    for package in ("matplotlib", "jinja2"):
        check_extra(package, "report", "writing a report")


def _try_writing(flag: str, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{flag}: nothing can be written in {folder}: {error.strerror}") from error
