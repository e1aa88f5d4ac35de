"""Import paths that never change."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def public(item: T) -> T:
    """Give a class or function the subpackage's own import path, whatever file it lies in.

    Saved models hold that path, so a file may be renamed without making them unreadable.
    """
    item.__module__ = "rl_coordconv.layers"
    return item
