"""``worker.log``: what a run's workers have printed, in the run's directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from rl_coordconv._util.links import require_regular_file

NAME = "worker.log"
_LAST_BYTES = 8192
_LAST_LINES = 20


def open_log(run: Path) -> BinaryIO:
    """Open a run's log for a worker to append to.

    Raises:
        InputError: it is a link, a directory or a pipe.
        OSError: it cannot be written.
    """
    require_regular_file(run / NAME)
    return (run / NAME).open("ab")


def last_lines(run: Path) -> str | None:
    """Return the last lines of a run's log, None if there is none."""
    try:
        with (run / NAME).open("rb") as file:
            file.seek(max(0, (run / NAME).stat().st_size - _LAST_BYTES))
            text = file.read().decode("utf8", errors="replace")
    except OSError:
        return None
    return "\n".join(text.splitlines()[-_LAST_LINES:])


def last_error(run: Path) -> str | None:
    """Return the error with which a worker's traceback ends; None if it printed none last."""
    lines = (last_lines(run) or "").strip().splitlines()
    found = re.match(r"(?:\w+\.)*(\w*(?:Error|Exception): .*)", lines[-1]) if lines else None
    return found[1] if found else None
