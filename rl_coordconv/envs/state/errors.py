"""Why a state cannot be read, or put back."""

from __future__ import annotations


class StateError(Exception):
    """An object's state cannot be read as plain data, or does not fit another object.

    Args:
        path: where in the object.
        reason: goes on behind the path: ``"is a Surface, ..."``.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"
