"""Errors that say what was given, what is allowed and what is nearest to it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

_LONGEST = 200
"""Characters of a value that a message shows, and that names are compared by."""
_LARGEST = 10_000
"""Characters and parts of a value that are written out at all."""


class UnknownNameError(ValueError):
    """A name that is not one of the known ones."""


class InputError(ValueError):
    """A value that cannot be used; the command line prints its message without a traceback."""


class DivergedError(ValueError):
    """A training whose losses, values or weights became NaN or infinite: going on is of no use."""


class EnvironmentFailedError(InputError):
    """An environment of one's own has raised an error, or broken Gymnasium's rules while played."""


class MissingExtraError(ImportError):
    """An optional dependency that is not installed; the message holds the pip line."""


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that is not known.

    Args:
        kind: what the name stands for, for example ``"extractor"``.
        given: the name that was given.
        allowed: every name that would have been accepted.
    """
    names = sorted(allowed)
    message = f"unknown {kind} {shown(given)}"
    nearest = closest(given, names)
    if nearest:
        message += f"; did you mean {' or '.join(repr(name) for name in nearest)}?"
    return UnknownNameError(f"{message} (allowed: {', '.join(names)})")


def shown(value: Any) -> str:
    """Return a value's ``repr``, cut where it would fill the screen.

    What is large, or says the same part over and over, is described rather than written out.
    """
    if not isinstance(value, str) and not _is_short(value):
        return f"a {type(value).__name__} of {len(value):,} values"
    try:
        text = repr(value)
    except ValueError:  # Python writes out no integer of more than 4,300 digits
        return "a number too long to be written out"
    except RecursionError:
        return "a value nested too deep to be written out"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text):,} characters)"


def _is_short(value: Any) -> bool:
    """Tell whether a value is written out at little cost, however often its parts occur in it."""
    waiting, left = [value], _LARGEST
    while waiting and left >= 0:
        one = waiting.pop()
        parts = [*one.keys(), *one.values()] if isinstance(one, dict) else one
        if isinstance(parts, list | tuple | set | frozenset):
            left -= len(parts)
            waiting += list(parts) if left >= 0 else []
        elif isinstance(one, str | bytes):
            left -= len(one)
    return left >= 0


def closest(given: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Return up to ``most`` of ``names`` that resemble ``given``, nearest first, case ignored."""
    by_folded = {name.casefold(): name for name in names}
    # The comparison takes the product of the lengths.
    given = str(given)[:_LONGEST].casefold()
    folded = difflib.get_close_matches(given, by_folded, n=most, cutoff=0.6)
    return [by_folded[name] for name in folded]


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """Build the error for an optional dependency that is not installed."""
    return MissingExtraError(
        f"{purpose} needs {package}, which is not installed: pip install 'rl-coordconv[{extra}]'"
    )
