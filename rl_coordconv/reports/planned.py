"""What a sweep's description asks for, to tell which runs are not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.validation import read_yaml
from rl_coordconv.envs import find_env, load_suite
from rl_coordconv.extractors.arms import arm_name, parse_arm
from rl_coordconv.runs.config import network_of

Planned = tuple[str, str, str, int]
"""Game, agent, arm and seed."""


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
    version = plan.get("format_version", 1)  # before there were two, none was told
    return [
        (
            game,
            Path(agent).stem,
            arm_name(*network_of(version, *_arm(extractor, options))),
            seed,
        )
        for game in games
        for agent in agents
        for extractor in extractors
        for seed in range(seeds)
    ]


def _arm(text: str, options: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    name, written = parse_arm(text)
    return name, written | (options.get(text) or {})
