"""Settings that differ between runs which are compared, and so could be the cause instead."""

from __future__ import annotations

from collections.abc import Sequence

from rl_coordconv.reports.results import Run
from rl_coordconv.reports.selection import Cell

EXPECTED = ("preset.n_timesteps", "openmp")
"""Differences that are told of elsewhere, or that decide nothing but speed."""

SHOWN = 60
"""Characters of a value that are shown."""


def differing_settings(cells: Sequence[Cell], chosen: Sequence[str] = ()) -> list[str]:
    """Name what differs, per agent and setting, and in which arm how often.

    Runs that do not record a setting (imports) are not counted in it.

    Args:
        cells: the runs.
        chosen: settings that were chosen for each arm, which is told elsewhere.
    """
    warnings = []
    for agent in sorted({cell.agent for cell in cells}):
        here = [cell for cell in cells if cell.agent == agent]
        keys = sorted({key for cell in here for run in cell.runs for key in run.settings})
        for key in keys:
            if (
                key not in chosen
                and not key.startswith(EXPECTED)
                and any(_values(cell.runs, key)[1:] for cell in here)
            ):
                runs = [run for cell in here for run in cell.runs]
                warnings.append(f"{agent}: {key} differs within a game: {_by_arm(runs, key)}.")
    return warnings


def changed_formats(cells: Sequence[Cell]) -> list[str]:
    """Name the runs that went on in another precision than they had begun in."""
    changed = [run for cell in cells for run in cell.runs if "," in run.precisions]
    if not changed:
        return []
    told = "; ".join(f"{run.label} ({run.precisions})" for run in changed)
    runs = "1 run" if len(changed) == 1 else f"{len(changed)} runs"
    return [f"{runs} changed the precision half-way: {told}."]


def extended_runs(cells: Sequence[Cell]) -> list[str]:
    """Name the runs that were given more agent steps after they had begun."""
    extended = [run for cell in cells for run in cell.every if run.extended]
    if not extended:
        return []
    told = "; ".join(f"{run.label} ({run.extended})" for run in extended)
    runs = "1 run was" if len(extended) == 1 else f"{len(extended)} runs were"
    return [
        f"{runs} extended: {told}. Up to that step an extended run is the one first asked for; "
        "from there on its schedules are stretched over the new total, so that it is no run that "
        "was asked for as many steps from the beginning."
    ]


def _values(runs: Sequence[Run], key: str) -> list[str]:
    return sorted({run.settings[key] for run in runs if key in run.settings})


def _by_arm(runs: Sequence[Run], key: str) -> str:
    parts = []
    for arm in sorted({run.arm for run in runs}):
        mine = [run.settings[key] for run in runs if run.arm == arm and key in run.settings]
        counts = [f"{value[:SHOWN]} ({mine.count(value)})" for value in sorted(set(mine))]
        if counts:
            parts.append(f"{arm} {', '.join(counts)}")
    return "; ".join(parts)
