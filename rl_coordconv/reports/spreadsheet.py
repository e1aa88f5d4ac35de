"""``results.csv``: one row a run, also of those that do not count."""

from __future__ import annotations

import csv
import io

import numpy as np

from rl_coordconv._util.text import as_cell
from rl_coordconv.reports.choosing import Selection
from rl_coordconv.reports.outcomes import Comparison, Options
from rl_coordconv.reports.results import Run
from rl_coordconv.reports.selection import Cell

COLUMNS = (
    "game", "agent", "arm", "seed", "state", "counted", "score", "budget", "games", "evaluation",
    "evaluation_games", "human_normalized", "num_timesteps", "total_timesteps",
    "training_seconds", "parameters", "protocol", "precision", "divergences", "divergence_retries",
    "extended", "setting", "settings", "use", "error", "path",
)  # fmt: skip
"""``score``: mean raw return of the last 100 training games within ``budget`` agent steps; empty
where the run does not count. ``games``: training games that ended within it. ``divergences``:
attempts that ended so; ``divergence_retries``: attempts that began after one. ``extended``: the
totals that a run was given after it had begun. Where hyperparameters were chosen: ``setting``, the
run's; ``settings``, how many its arm had; ``use``: ``chosen by``, ``compared for the choice``,
``judged`` or ``not chosen``."""


def to_csv(comparison: Comparison) -> str:
    """Write every run that was read."""
    cells = {run.path: game.cell for game in comparison.games for run in game.cell.runs}
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for run in sorted(comparison.runs, key=_order):
        row = _row(run, cells.get(run.path), comparison.options)
        row |= _choice(run, comparison.selection)
        writer.writerow({column: _cell(value) for column, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    """Write text so that no spreadsheet computes it; numbers stay numbers."""
    return as_cell(value) if isinstance(value, str) else value


def _order(run: Run) -> tuple[str, str, str, int, str]:
    return run.game, run.agent, run.arm, run.seed, str(run.path)


def _choice(run: Run, selection: Selection | None) -> dict[str, object]:
    if selection is None:
        return {}
    return {
        "setting": selection.labels[run.path],
        "settings": selection.counts[run.path],
        "use": selection.use(run),
    }


def _row(run: Run, cell: Cell | None, options: Options) -> dict[str, object]:
    score = run.score(cell.budget) if cell else None
    scale = options.reference(run.game)
    normalized = scale.human_normalized(score) if scale and score is not None else None
    return {
        "game": run.game,
        "agent": run.agent,
        "arm": run.arm,
        "seed": run.seed,
        "state": run.state,
        "counted": "yes" if cell else "no",
        "score": score,
        "budget": cell.budget if cell else None,
        "games": run.games_within(cell.budget) if cell else None,
        "evaluation": float(np.mean(run.evaluation)) if run.evaluation else None,
        "evaluation_games": len(run.evaluation) or None,
        "human_normalized": normalized,
        "num_timesteps": run.num_timesteps,
        "total_timesteps": run.total_timesteps or None,
        "training_seconds": run.seconds or None,
        "parameters": run.parameters,
        "protocol": run.protocol,
        "precision": run.settings.get("precision"),
        "divergences": run.divergences,
        "divergence_retries": run.divergence_retries,
        "extended": run.extended,
        "error": run.error,
        "path": str(run.path),
    }
