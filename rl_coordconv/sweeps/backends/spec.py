"""What the rest of the library has to know about a backend, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.supervisor import Launcher

Launch = Callable[[SweepConfig, int, Mapping[str, Any]], Launcher]


@dataclass(frozen=True)
class BackendSpec:
    """What ``--backend`` stands for.

    Attributes:
        name: as the command line has it.
        options: the names of the flags that it heeds beside ``jobs``, and their defaults.
        launch: builds the launcher of a sweep, from its description, how many runs are left, and
            the values of ``jobs`` and of the options; raises InputError for what it cannot do.
    """

    name: str
    options: Mapping[str, Any]
    launch: Launch


BACKENDS: dict[str, BackendSpec] = {}
"""Every backend by its name."""


def register_backend(spec: BackendSpec) -> None:
    """Make a backend known.

    Raises:
        InputError: the name stands for something else.
    """
    if BACKENDS.setdefault(spec.name, spec) != spec:
        raise InputError(f"backend {spec.name!r} is registered already")


def find_backend(name: str, given: Mapping[str, Any]) -> BackendSpec:
    """Return a backend, and refuse flags that are about another one.

    Args:
        name: the backend's.
        given: the values of all backends' flags; a default counts as not given.

    Raises:
        UnknownNameError: no such backend; names the closest.
        InputError: a flag of another backend.
    """
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS)
    for other in BACKENDS.values():
        for option, default in other.options.items():
            if option not in BACKENDS[name].options and given.get(option, default) != default:
                raise InputError(
                    f"--{option.replace('_', '-')} {given[option]} is about --backend "
                    f"{other.name}, not {name}"
                )
    return BACKENDS[name]
