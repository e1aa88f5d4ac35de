"""Turn a command's words into its dataclass, or into one clear refusal."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import tyro

from rl_coordconv._util.errors import InputError, closest, shown
from rl_coordconv.cli.flags import prepare

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_CHOICE = re.compile(r"invalid choice '(?P<given>.*?)'.* one of \((?P<allowed>.*)\)")
_FRAME = " │"
_RULE = "─-"


def parse(kind: type[T], argv: Sequence[str], *, command: str) -> T:
    """Read a command's flags.

    Args:
        kind: the dataclass of the command's arguments.
        argv: the words after the command's name.
        command: the name, for the help text.

    Raises:
        InputError: an unknown flag, one given twice, a value that is empty, cannot be printed or
            does not fit. ``--help`` prints the flags and raises SystemExit, as tyro does.
    """
    _check_words(argv)
    _refuse_repetition(kind, argv)
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return tyro.cli(prepare(kind), args=list(argv), prog=f"rl-coordconv {command}")
    except SystemExit as stop:
        if not stop.code:
            raise
        message = _unboxed(complaint.getvalue())
        message += _closest_choice(message) or _closest_flag(kind, argv)
    raise InputError(f"{message}; {command} --help tells the flags")


def given_flags(argv: Sequence[str]) -> Counter[str]:
    """Count the flags that were written, ``--no-x`` as ``--x``, whatever their values are."""
    return Counter(_name(word) for word in argv if word.startswith("--"))


def _check_words(argv: Sequence[str]) -> None:
    for before, word in zip(("", *argv), argv, strict=False):
        place = f" after {shown(before)}" if before else ""
        if not word.strip():
            raise InputError(f"{shown(word)}{place} is empty")
        # Bytes that are no text are among them: they could not be recorded with the run.
        odd = next((char for char in word if not char.isprintable()), None)
        if odd is not None:
            raise InputError(f"{shown(word)}{place} has a character that cannot be printed: "
                             f"{odd!r}")  # fmt: skip


def _refuse_repetition(kind: type, argv: Sequence[str]) -> None:
    """The last of several would win without a word."""
    given = given_flags(argv)
    for flag, is_repeatable in flags_of(kind).items():
        if given[flag] > 1 and not is_repeatable:
            raise InputError(f"{flag} is given {given[flag]} times")


def _name(word: str) -> str:
    flag = word.partition("=")[0].replace("_", "-")
    return "--" + flag.removeprefix("--").removeprefix("no-")


def flags_of(kind: type) -> dict[str, bool]:
    """Return a command's flags, in order, and of each whether it may be repeated."""
    flags = {}
    for field, hint in get_type_hints(kind, include_extras=True).items():
        marks: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        name = next((mark.name for mark in marks if getattr(mark, "name", None)), field)
        flags[f"--{name.replace('_', '-')}"] = tyro.conf.UseAppendAction in marks
    return flags


def _unboxed(text: str) -> str:
    """Return what the first part of tyro's box says."""
    lines = text.splitlines()
    # The title stands in the frame, or where that cannot be printed, over a rule.
    body = lines[1:] if text.startswith("╭") else lines[2:]
    contents = (line.strip(_FRAME) for line in body)
    said = takewhile(lambda line: line.strip(_RULE) or not line, contents)
    return " ".join(filter(None, said)) or " ".join(text.split())


def _closest_choice(message: str) -> str:
    choice = _CHOICE.search(message)
    if choice is None:
        return ""
    nearest = closest(choice["given"], re.findall(r"'(.*?)'", choice["allowed"]), most=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _closest_flag(kind: type, argv: Sequence[str]) -> str:
    flags = flags_of(kind)
    for word in argv:
        if word.startswith("--") and _name(word) not in flags:
            nearest = closest(_name(word), flags, most=1)
            return f"; did you mean {nearest[0]}?" if nearest else ""
    return ""
