"""What the rest of the library has to know about a backend, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.supervisor import Launcher

Launch = Callable[[SweepConfig, int, Mapping[str, Any]], Launcher]
Submit = Callable[[SweepConfig, SweepDirectory, Mapping[str, Any], Console], int]


@dataclass(frozen=True)
class BackendSpec:
    """What ``--backend`` stands for; it either launches runs or submits them.

    Attributes:
        name: as the command line has it.
        options: the names of the flags that it heeds beside ``jobs``, and their defaults.
        launch: builds the launcher of a sweep, from its description, how many runs are left, and
            the values of all flags; raises InputError for what it cannot do. The sweep's process
            then stays and looks after the runs.
        submit: hands a sweep to a scheduler that looks after the runs itself, from its description,
            its directory, the values of all flags and a console; returns the exit code, and raises
            InputError for what it cannot do.

    Raises:
        ValueError: neither or both of ``launch`` and ``submit`` are given.
    """

    name: str
    options: Mapping[str, Any]
    launch: Launch | None = None
    submit: Submit | None = None

    def __post_init__(self) -> None:
        if (self.launch is None) == (self.submit is None):
            raise ValueError(f"backend {self.name!r} must either launch or submit")


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
    defaults = {key: value for one in BACKENDS.values() for key, value in one.options.items()}
    for option, default in defaults.items():
        value = given.get(option, default)
        if option not in BACKENDS[name].options and value != default:
            others = [one.name for one in BACKENDS.values() if option in one.options]
            said = "" if isinstance(value, bool) else f" {value}"
            raise InputError(
                f"--{option.replace('_', '-')}{said} is about --backend {' or '.join(others)}, "
                f"not {name}"
            )
    return BACKENDS[name]
