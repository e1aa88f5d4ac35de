"""The console that commands print to: every name as it is written, and nothing that steers it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from rl_coordconv._util.text import visible


class PlainConsole(Console):
    """A rich console that takes text for text: no markup, no emoji codes, no control characters."""

    def __init__(self, **options: Any) -> None:
        plain = {"soft_wrap": True, "highlight": False, "markup": False, "emoji": False}
        super().__init__(**(plain | options))

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, with what steers a terminal as escapes."""
        shown = (visible(one, keep="\n\t") if isinstance(one, str) else one for one in objects)
        super().print(*shown, **options)
