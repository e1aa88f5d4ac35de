"""One table of everything that was not perfect: what a reader should know before trusting it."""

from __future__ import annotations

from collections.abc import Iterator

from rl_coordconv.reports.outcomes import Comparison
from rl_coordconv.reports.tables import Table


def imperfections(comparison: Comparison) -> Table | None:
    """List warnings, notes on single games, and runs that count nowhere; None if all is well."""
    rows = tuple(_rows(comparison))
    header = ("kind", "where", "what")
    return Table("Everything that was not perfect", header, rows, 3) if rows else None


def _rows(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    for warning in comparison.warnings:
        yield "warning", "all", warning
    for game in comparison.games:
        for note in game.notes:
            yield "note", f"{game.cell.game}, {game.cell.agent}", f"{note[0].upper()}{note[1:]}."
    for run in comparison.left_out:
        yield f"run {run.state}", run.label, f"{run.reason} ({run.progress})"
