"""Symbolic links: what lies in a run's or a report's directory is read and written there alone.

A link in the place of a file of ours would let a command write, and delete, wherever it points to,
and would let a report tell of what is no part of the sweep. Directories that a person names on the
command line may be links; names below them may not.
"""

from __future__ import annotations

import os
from pathlib import Path

from rl_coordconv._util.errors import InputError


def is_there(path: Path) -> bool:
    """Tell whether anything has this name, be it a link that leads nowhere."""
    return os.path.lexists(path)


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link in the place of a file or folder of ours.

    Raises:
        InputError: there is one.
    """
    if os.path.islink(path):
        raise InputError(f"{path} is a link, through which nothing is read or written here")


def require_regular_file(path: Path) -> None:
    """Refuse a link, a directory or a pipe in the place of a file of ours; nothing there is right.

    Raises:
        InputError: there is such a thing.
    """
    refuse_link(path)
    if is_there(path) and not path.is_file():
        kind = "a directory" if path.is_dir() else "no regular file"
        raise InputError(f"{path} is {kind}, where a file is needed")


def refuse_links_out(folder: Path) -> None:
    """Refuse symbolic links anywhere below a folder that lead out of it.

    Raises:
        InputError: names the first one.
    """
    home = os.path.realpath(folder)
    for place, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            path = os.path.join(place, name)
            if os.path.islink(path) and not _is_inside(os.path.realpath(path), home):
                raise InputError(
                    f"{path} is a link that leads out of {folder}: nothing is written through it"
                )


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if it is not there.

    Raises:
        InputError: a link or a file has its name.
        OSError: it cannot be made.
    """
    refuse_link(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file where a folder is needed")
    path.mkdir(parents=True, exist_ok=True)


def _is_inside(path: str, home: str) -> bool:
    return path == home or path.startswith(home.rstrip(os.sep) + os.sep)
