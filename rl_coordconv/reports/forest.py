"""Interval plots: every game's difference between two arms on one scale, as reviews draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rl_coordconv._util.text import shortened
from rl_coordconv.reports.outcomes import Comparison
from rl_coordconv.statistics import Interval, Verdict

COLOURS = {
    Verdict.BETTER: "#2f9e5f",
    Verdict.SIMILAR: "#6b93ae",
    Verdict.WORSE: "#cc4a3d",
    Verdict.UNDECIDED: "#b8a13f",
}
"""Of the verdicts, on light pages and dark ones."""

_MARKERS = {
    Verdict.BETTER: "^",
    Verdict.SIMILAR: "s",
    Verdict.WORSE: "v",
    Verdict.UNDECIDED: "o",
}
"""So that colour alone tells nothing."""

_LONGEST_GAME = 24


@dataclass(frozen=True)
class Row:
    """One game.

    Attributes:
        game: its name.
        difference: arm minus the other one, in parts of the baseline's gain over random.
        verdict: of the game.
    """

    game: str
    difference: Interval
    verdict: Verdict


def rows(comparison: Comparison, agent: str, arm: str, other: str) -> list[Row]:
    """Return the games on which two arms have a difference and the baseline gained something."""
    found = []
    for game in comparison.games_of(agent):
        against = next(
            (one for mine in game.arms if mine.arm == arm for one in mine.against
             if one.other == other), None,
        )  # fmt: skip
        if against is None or against.difference is None or not game.margin:
            continue
        gain = game.margin / comparison.options.margin
        value = against.difference
        scaled = Interval(value.estimate / gain, value.low / gain, value.high / gain)
        found.append(Row(game.cell.game, scaled, against.verdict))
    return found


def draw(axis: Any, found: Sequence[Row], margin: float, baseline: str) -> None:
    """Draw a line a game, the first one on top.

    Args:
        axis: matplotlib's.
        found: the games.
        margin: within which a difference is negligible, in parts of the baseline's gain.
        baseline: the arm whose gain is the unit.
    """
    limit = _limit(found, margin)
    axis.axvspan(-margin, margin, color="#8a9099", alpha=0.18, linewidth=0)
    axis.axvline(0, color="#8a9099", linewidth=0.9)
    for height, row in enumerate(reversed(found)):
        _draw_row(axis, row, height, limit)
    axis.set_xlim(-limit, limit)
    axis.set_ylim(-0.6, len(found) - 0.4)
    names = [shortened(row.game, _LONGEST_GAME) for row in reversed(found)]
    axis.set_yticks(range(len(found)), names)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(f"difference, in parts of {shortened(baseline, 20)}'s gain over random")


def _draw_row(axis: Any, row: Row, height: int, limit: float) -> None:
    colour, value = COLOURS[row.verdict], row.difference
    if math.isfinite(value.low) and math.isfinite(value.high):
        low, high = max(value.low, -limit), min(value.high, limit)
        axis.plot([low, high], [height, height], color=colour, linewidth=2, clip_on=False)
        for end, marker, is_cut in ((low, "<", value.low < low), (high, ">", value.high > high)):
            if is_cut:
                axis.plot([end], [height], marker, color=colour, markersize=6, clip_on=False)
    inside = min(max(value.estimate, -limit), limit)
    axis.plot([inside], [height], _MARKERS[row.verdict], color=colour, markersize=6, clip_on=False)
    axis.text(
        1.03, height, row.verdict.value, transform=axis.get_yaxis_transform(), va="center",
        fontsize=8.5,
    )  # fmt: skip


def _limit(found: Sequence[Row], margin: float) -> float:
    """Return the axis's end: all estimates are seen, of wide intervals what tells something."""
    estimates = max(abs(row.difference.estimate) for row in found)
    ends = [
        abs(end)
        for row in found
        for end in (row.difference.low, row.difference.high)
        if math.isfinite(end)
    ]
    widest = max(ends, default=0.0)
    return 1.05 * max(2 * margin, 1.1 * estimates, min(widest, 3 * max(estimates, margin)))
