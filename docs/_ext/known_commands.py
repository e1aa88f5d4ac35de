"""Every command of the command line and the dataclass that its flags are read into."""

from __future__ import annotations

import importlib
from dataclasses import is_dataclass
from types import ModuleType

from rl_coordconv.cli.main import COMMANDS


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
