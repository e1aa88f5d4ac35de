"""What runs reached, as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.text import as_name, as_reason
from rl_coordconv.reports.curves import WINDOW, load_curve
from rl_coordconv.runs import Evaluation, RunDirectory
from rl_coordconv.runs.precision import describe_history, recorded_history
from rl_coordconv.runs.record import check_record

HEADER = (
    "game", "agent", "extractor", "seed", "agent steps", "minutes", "precision",
    f"return of the last {WINDOW} training games", "evaluation: mean ± std (games)",
)  # fmt: skip


def divide_readable(runs: Sequence[RunDirectory]) -> tuple[list[RunDirectory], list[str]]:
    """Set aside the runs that cannot be read, so that they do not keep the others back.

    Returns:
        The runs that can be read, and of each other one why not.

    Raises:
        InputError: none of them can be read.
    """
    readable, reasons = [], []
    for run in runs:
        try:
            check_record(run, run.status().state)
            _row(run)
            readable.append(run)
        except InputError as error:
            reasons.append(error)
    if reasons and not readable:
        more = f" (and {len(reasons) - 1} more runs cannot be read)" if len(reasons) > 1 else ""
        raise InputError(f"{reasons[0]}{more}")
    return readable, [as_reason(str(reason)) for reason in reasons]


def runs_table(runs: Sequence[RunDirectory]) -> str:
    """Write one row a run: what was trained, for how long, and how well it plays."""
    rows = [HEADER, ("---",) * len(HEADER), *(_row(run) for run in runs)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(run: RunDirectory) -> tuple[str, ...]:
    config, status = run.config(), run.status()
    return (
        _word(config.game),
        _word(config.agent),
        _word(config.extractor),
        str(config.seed),
        f"{status.num_timesteps:,}",
        f"{status.training_seconds / 60:.0f}",
        describe_history(recorded_history(run.environment_file)) or "-",
        f"{np.mean(load_curve(run).returns[-WINDOW:]):.1f}",
        _evaluation(run),
    )


def _word(name: str) -> str:
    return as_name(name).replace("|", "\\|")


def _evaluation(run: RunDirectory) -> str:
    result = Evaluation.load(run.evaluation_file)
    return f"{result.mean:.1f} ± {result.std:.1f} ({len(result.returns)})" if result else "-"
