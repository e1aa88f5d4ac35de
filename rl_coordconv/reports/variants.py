"""Runs that must not be mixed: an agent under several protocols, or with several settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rl_coordconv.reports.results import Run

CHOICES = ("preset.", "protocol.", "initialization", "initial_policy", "precision")
"""How the settings begin that were chosen for a run, rather than found on its machine."""


def with_variants(runs: Sequence[Run]) -> list[Run]:
    """Name what tells variants of an agent apart with the agent: ``ppo, machado``.

    Runs under different protocols never compare. Other settings are told apart only where they
    must be: where one game, arm and seed was trained with several values of them, so that taking
    one of the runs would be an arbitrary choice.

    Returns:
        The runs in their order, some of them with a longer agent's name.
    """
    labels: dict[str, list[str]] = {}
    for agent in {run.agent for run in runs}:
        mine = [run for run in runs if run.agent == agent]
        labels[agent] = _conflicting_settings(mine)
        if len({run.protocol for run in mine if run.protocol}) > 1:
            labels[agent].insert(0, "")
    return [replace(run, agent=_label(run, labels[run.agent])) for run in runs]


def _conflicting_settings(runs: Sequence[Run]) -> list[str]:
    cells: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        cells.setdefault((run.game, run.arm, run.seed, run.protocol), []).append(run)
    found = set()
    for several in cells.values():
        keys = {key for run in several for key in run.settings if key.startswith(CHOICES)}
        found |= {key for key in keys if len({run.settings.get(key) for run in several}) > 1}
    return sorted(found)


def _label(run: Run, keys: Sequence[str]) -> str:
    parts = [
        f"{key.removeprefix('preset.')} {run.settings.get(key, 'unknown')}"
        if key
        else run.protocol or "unknown protocol"
        for key in keys
    ]
    return ", ".join([run.agent, *parts])
