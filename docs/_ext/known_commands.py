"""Every command of the command line, the dataclass its flags are read into, and its description."""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections.abc import Iterator
from dataclasses import is_dataclass
from types import ModuleType

import tyro

from rl_coordconv.cli.flags import prepare
from rl_coordconv.cli.main import COMMANDS

PROGRAM = "rl-coordconv"


def find_commands() -> dict[str, type]:
    """Return the words of every command, ``train`` or ``sweep status``, and its arguments.

    Raises:
        LookupError: a command keeps its arguments where this does not look for them.
    """
    found: dict[str, type] = {}
    for name in COMMANDS:
        module = importlib.import_module(f"rl_coordconv.cli.{name}")
        own = _arguments(module)
        subjects: dict[str, str] = getattr(module, "SUBJECTS", {})
        if len(own) + bool(subjects) != 1:
            raise LookupError(f"{name}: one class of arguments or SUBJECTS is needed, not {own}")
        if own:
            found[name] = own[0]
        for subject, kind in subjects.items():
            home = importlib.import_module(f"rl_coordconv.benchmarks.{subject}")
            found[f"{name} {subject}"] = getattr(home, kind)
        for word, path in getattr(module, "SUBCOMMANDS", {}).items():
            (found[f"{name} {word}"],) = _arguments(importlib.import_module(path))
    return found


def _arguments(module: ModuleType) -> list[type]:
    return [
        item
        for name, item in vars(module).items()
        if name.endswith("Arguments")
        and is_dataclass(item)
        and isinstance(item, type)
        and item.__module__ == module.__name__
    ]


def describe_commands() -> str:
    """Return a section for every command, in Markdown with MyST's directives."""
    return "\n".join(
        line for words, kind in find_commands().items() for line in _section(words, kind)
    )


def _section(words: str, kind: type) -> Iterator[str]:
    with warnings.catch_warnings():
        # tyro has no other way to list what a parser takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(prepare(kind), prog=f"{PROGRAM} {words}")
    yield from (f"## {words}", "", parser.description or "", "")
    yield from (f":::{{program}} {PROGRAM} {words}", ":::", "")
    for action in parser._actions:
        if "--help" not in action.option_strings:
            yield from (f"::::{{option}} {_signature(action)}", *_help(action), "::::", "")


def _signature(action: argparse.Action) -> str:
    flag = next(iter(action.option_strings), "")  # --no-x beside --x says nothing more
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    return f"{flag} {metavar}".strip()


def _help(action: argparse.Action) -> Iterator[str]:
    text = (action.help or "").replace("(default: False)", "").strip()
    # Each line by itself: what stands in a docstring is no Markdown list or heading.
    yield from (line.strip() for line in text.splitlines())
