"""What runs reached, as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rl_coordconv.errors import InputError
from rl_coordconv.files import read_json
from rl_coordconv.reports.curves import WINDOW, load_curve
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.precision import recorded_precision

HEADER = (
    "game", "agent", "extractor", "seed", "agent steps", "minutes", "precision",
    f"return of the last {WINDOW} training games", "evaluation: mean ± std (games)",
)  # fmt: skip


def runs_table(runs: Sequence[RunDirectory]) -> str:
    """Write one row a run: what was trained, for how long, and how well it plays."""
    rows = [HEADER, ("---",) * len(HEADER), *(_row(run) for run in runs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(run: RunDirectory) -> tuple[str, ...]:
    config, status = run.config(), run.status()
    return (
        config.game,
        config.agent,
        config.extractor,
        str(config.seed),
        f"{status.num_timesteps:,}",
        f"{status.training_seconds / 60:.0f}",
        recorded_precision(run.environment_file) or "-",
        f"{np.mean(load_curve(run).returns[-WINDOW:]):.1f}",
        _evaluation(run),
    )


def _evaluation(run: RunDirectory) -> str:
    if not run.evaluation_file.exists():
        return "-"
    result = read_json(run.evaluation_file)
    try:
        return f"{result['mean']:.1f} ± {result['std']:.1f} ({len(result['returns'])})"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{run.evaluation_file} holds no evaluation: {error!r}") from error
