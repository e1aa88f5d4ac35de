"""What a sweep's description asks for, to tell which runs are not there yet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.links import is_there
from rl_coordconv._util.text import as_name, as_reason
from rl_coordconv._util.validation import read_yaml
from rl_coordconv.envs import find_env, load_suite
from rl_coordconv.extractors.arms import arm_name, parse_arm
from rl_coordconv.reports.results import Run, Unreadable
from rl_coordconv.runs.config import network_of
from rl_coordconv.runs.limits import MAX_RUNS

Settings = tuple[tuple[str, str], ...]
"""Hyperparameters that a grid gives, and their values as text."""


class Planned(NamedTuple):
    """A run that a sweep asks for."""

    game: str
    agent: str
    arm: str
    seed: int
    settings: Settings = ()

    @property
    def label(self) -> str:
        """The run in words."""
        agent = ", ".join([self.agent, *(f"{key} {value}" for key, value in self.settings)])
        return f"{self.game}, {agent}, {self.arm}, seed {self.seed}"

    def is_met_by(self, run: Run) -> bool:
        """Tell whether a run is this one."""
        names = (run.game, run.agent, run.arm, run.seed)
        return names == self[:4] and all(
            _is_same(run.settings.get(f"preset.{key}"), value) for key, value in self.settings
        )


def _is_same(there: str | None, asked: str) -> bool:
    try:
        return there == asked or float(there or "nan") == float(asked)
    except ValueError:
        return False


class Plan(NamedTuple):
    """What a sweep's directory says that there should be."""

    runs: list[Planned]
    fault: Unreadable | None = None
    """Why that cannot be told; None where it can."""


def read_plan(directory: Path) -> Plan:
    """Read which runs ``sweep.yaml`` plans; none without such a file.

    The sweep itself checks its file; here only the names that make a run are read.
    """
    path = directory / "sweep.yaml"
    if not is_there(path):
        return Plan([])
    try:
        return Plan(_planned(read_yaml(path, follow=False)))
    except (InputError, UnknownNameError) as error:
        reason = str(error)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        reason = f"no sweep's description ({type(error).__name__}: {error})"
    fault = f"which runs were planned is not known: {reason}"
    return Plan([], Unreadable(path, as_reason(fault)))


def _planned(plan: dict[str, object]) -> list[Planned]:
    suite, names = plan.get("suite"), plan.get("games") or ()
    if not isinstance(names, list | tuple):
        raise TypeError("games is not a list")
    env = plan.get("env")
    if env:
        games = [str(env)]
    else:
        games = list(load_suite(str(suite)).games) if suite else [find_env(n).name for n in names]
    options = plan.get("extractor_kwargs") or {}
    agents, extractors, seeds = plan["agents"], plan["extractors"], plan["seeds"]
    if not (
        isinstance(agents, list)
        and isinstance(extractors, list)
        and isinstance(seeds, int)
        and isinstance(options, dict)
    ):
        raise TypeError("not a sweep's description")
    grid = _grid(plan.get("grid") or {})
    _check_number(len(games), len(agents), len(extractors), seeds, *map(len, grid.values()))
    settings = list(_combinations(grid))
    version = plan.get("format_version", 1)  # before there were two, none was told
    return [
        Planned(
            as_name(game),
            as_name(Path(agent).stem),
            as_name(arm_name(*network_of(version, *_arm(extractor, options)))),
            seed,
            chosen,
        )
        for game in games
        for agent in agents
        for extractor in extractors
        for seed in range(seeds)
        for chosen in settings
    ]


def _check_number(*counts: int) -> None:
    """Refuse more runs than a sweep may have, before any of them is listed."""
    if math.prod(counts) > MAX_RUNS:
        raise InputError(f"it plans more than {MAX_RUNS:,} runs")


def _grid(grid: object) -> dict[str, list[object]]:
    if not (isinstance(grid, dict) and all(isinstance(one, list) for one in grid.values())):
        raise TypeError("not a grid")
    return grid


def _combinations(grid: dict[str, list[object]]) -> Iterator[Settings]:
    for values in product(*grid.values()):
        yield tuple(zip(grid, map(str, values), strict=True))


def _arm(text: str, options: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    name, written = parse_arm(text)
    return name, written | (options.get(text) or {})
