"""Which number format a run was trained in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rl_coordconv.files import read_json


def recorded_precision(path: Path) -> Literal["fp32", "bf16"] | None:
    """Return the number format that an ``environment.json`` tells of; None without a file."""
    if not path.is_file():
        return None
    described = read_json(path)
    name = described.get("precision") if isinstance(described, dict) else None
    return name if name in ("fp32", "bf16") else None
