"""Import paths that never change: saved models hold them."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def public(item: T) -> T:
    """Give a class the subpackage's own import path, whatever file it lies in."""
    item.__module__ = "rl_coordconv.extractors"
    return item
