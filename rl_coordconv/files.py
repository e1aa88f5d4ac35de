"""Writing files so that a crash leaves the old content or the new one, never half of either."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rl_coordconv.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Replace a file's content in one step.

    The temporary file lies in the same directory because a rename is atomic only within one file
    system; it is flushed to the disk first, or a power cut could leave an empty file behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, data: Any) -> None:
    """Replace a file's content by JSON in one step.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is damaged: not UTF-8, not JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
