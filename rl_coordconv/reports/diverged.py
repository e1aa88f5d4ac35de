"""Runs that diverged, by arm: leaving them out, or trying them again, selects the results."""

from __future__ import annotations

from collections.abc import Sequence

from rl_coordconv.reports.outcomes import Divergence
from rl_coordconv.reports.results import Run
from rl_coordconv.reports.selection import Cell


def divergences(cells: Sequence[Cell], baseline: str) -> list[Divergence]:
    """Count, for every arm of every agent, the runs that diverged; nothing where none did."""
    if not any(run.divergences for cell in cells for run in cell.every):
        return []
    found = []
    for agent in sorted({cell.agent for cell in cells}):
        here = [cell for cell in cells if cell.agent == agent]
        arms = {run.arm for cell in here for run in cell.every}
        for arm in sorted(arms, key=lambda name: (name != baseline, name)):
            found.append(_divergence(agent, arm, here))
    return found


def _divergence(agent: str, arm: str, cells: Sequence[Cell]) -> Divergence:
    runs = [run for cell in cells for run in cell.every if run.arm == arm]
    counted = {run.path for cell in cells for run in cell.runs}
    diverged = [run for run in runs if run.divergences]
    retried = [run for run in diverged if run.divergence_retries]
    return Divergence(
        agent=agent,
        arm=arm,
        runs=len(runs),
        diverged=len(diverged),
        retried=len(retried),
        counted=sum(run.path in counted for run in retried),
        lost=tuple(_name(run) for run in diverged if run.has_diverged),
    )


def _name(run: Run) -> str:
    return f"{run.game}, seed {run.seed}"
