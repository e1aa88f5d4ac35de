"""Finding run directories; links below the directories that were named are not followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.links import is_there
from rl_coordconv._util.text import visible
from rl_coordconv.reports.results import Unreadable

_MARKS = ("config.yaml", "status.json", "monitor.csv", "metrics.jsonl", "record.json",
          "environment.json", "policy.json", "checkpoints")  # fmt: skip
"""Any of these makes a directory a run: one that has lost others is named, not overlooked."""


def find_runs(directories: Sequence[Path]) -> list[Path]:
    """Find run directories.

    Args:
        directories: sweeps (with ``runs/``), directories of run directories, or single runs.

    Returns:
        The run directories, each once, in order.

    Raises:
        InputError: a directory is missing or cannot be listed.
    """
    found: dict[Path, Path] = {}
    for directory in directories:
        if not directory.is_dir():
            raise InputError(f"{directory} is not a directory")
        for path in _runs_in(directory):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def linked_runs(directories: Sequence[Path]) -> list[Unreadable]:
    """Name the links in the places of runs, which are not followed."""
    reason = "is a link, which is not followed; name what it leads to beside the sweep"
    return [
        Unreadable(path, reason)
        for directory in directories
        if not _is_run(directory)
        for path in _entries(_parent(directory))
        if path.is_symlink() and path.is_dir()
    ]


def _runs_in(directory: Path) -> list[Path]:
    if _is_run(directory):
        return [directory]
    parent = _parent(directory)
    return [path for path in _entries(parent) if not path.is_symlink() and _is_run(path)]


def _parent(directory: Path) -> Path:
    runs = directory / "runs"
    return runs if runs.is_dir() and not runs.is_symlink() else directory


def _is_run(path: Path) -> bool:
    return path.is_dir() and any(is_there(path / mark) for mark in _MARKS)


def _entries(directory: Path) -> Iterator[Path]:
    try:
        yield from sorted(directory.iterdir())
    except OSError as error:
        raise InputError(f"{directory} cannot be read: {error.strerror}") from error


def nothing_found(directories: Sequence[Path]) -> InputError:
    """Build the error for directories in which no run lies: what was looked for, what is there."""
    there = "; ".join(f"{path} holds {_contents(path)}" for path in directories)
    return InputError(
        "no run found: looked for config.yaml or another file of a run in the directory itself, in "
        f"runs/*/ and in */ ({there})"
    )


def _contents(directory: Path) -> str:
    names = [visible(path.name) for path in _entries(directory)]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return shown or "nothing"
