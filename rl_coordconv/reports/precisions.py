"""Which precisions the compared runs were trained in, and whether their arms agree."""

from __future__ import annotations

from collections.abc import Sequence

from rl_coordconv.reports.outcomes import Comparison
from rl_coordconv.reports.results import Run
from rl_coordconv.reports.tables import Table

UNKNOWN = "not recorded"


def precision_table(comparison: Comparison) -> Table:
    """Tell, for every agent and game, the precisions of each arm's runs that count."""
    rows = []
    for game in comparison.games:
        by_arm = {arm: _counts(game.cell.of(arm)) for arm in game.cell.arms if game.cell.of(arm)}
        told = "; ".join(f"{arm} {_words(counts)}" for arm, counts in by_arm.items())
        rows.append((game.cell.agent, game.cell.game, told, _verdict(list(by_arm.values()))))
    return Table(
        "Precision of the runs that count",
        ("agent", "game", "precision (runs)", "arms"),
        tuple(rows),
        4,
    )


def _counts(runs: Sequence[Run]) -> dict[str, int]:
    names = [run.precisions or UNKNOWN for run in runs]
    return {name: names.count(name) for name in sorted(set(names))}


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _verdict(arms: Sequence[dict[str, int]]) -> str:
    names = {name for counts in arms for name in counts}
    if UNKNOWN in names:
        return "unknown"
    return "agree" if len(names) <= 1 else "differ"
