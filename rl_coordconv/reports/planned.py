"""What a sweep's description asks for, to tell which runs are not there yet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.validation import read_yaml
from rl_coordconv.envs import find_env, load_suite
from rl_coordconv.extractors.arms import arm_name, parse_arm
from rl_coordconv.reports.results import Run
from rl_coordconv.runs.config import network_of

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


def planned_runs(directory: Path) -> list[Planned]:
    """Read which runs ``sweep.yaml`` plans; none without a file that tells.

    The sweep itself checks its file; here only the names that make a run are read.
    """
    path = directory / "sweep.yaml"
    if not path.is_file():
        return []
    try:
        return _planned(read_yaml(path))
    except (InputError, UnknownNameError, TypeError, ValueError, AttributeError, KeyError):
        return []


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
    grid = list(_combinations(plan.get("grid") or {}))
    version = plan.get("format_version", 1)  # before there were two, none was told
    return [
        Planned(
            game,
            Path(agent).stem,
            arm_name(*network_of(version, *_arm(extractor, options))),
            seed,
            settings,
        )
        for game in games
        for agent in agents
        for extractor in extractors
        for seed in range(seeds)
        for settings in grid
    ]


def _combinations(grid: object) -> Iterator[Settings]:
    if not (isinstance(grid, dict) and all(isinstance(one, list) for one in grid.values())):
        raise TypeError("not a grid")
    for values in product(*grid.values()):
        yield tuple(zip(grid, map(str, values), strict=True))


def _arm(text: str, options: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    name, written = parse_arm(text)
    return name, written | (options.get(text) or {})
