"""Which initial weights the arms share: how much of a difference the extractors' weights make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rl_coordconv.reports.outcomes import Comparison, GameResult
from rl_coordconv.reports.results import Run
from rl_coordconv.reports.tables import Table

Shapes = Mapping[str, tuple[int, ...]]


def pairing_table(comparison: Comparison) -> Table | None:
    """Tell, for each arm, in which layers its runs began with the baseline's weights.

    Returns:
        None where no run of the baseline, or none of another arm, has it on record.
    """
    rows: dict[tuple[str, ...], None] = {}
    for game in comparison.games:
        rows |= dict.fromkeys(_rows(game, comparison.options.baseline))
    if not rows:
        return None
    base = comparison.options.baseline
    columns = ("agent", "arm", f"weights shared with {base}", "other weights")
    return Table("Initial weights of a seed", columns, tuple(rows), 4)


def _rows(game: GameResult, baseline: str) -> list[tuple[str, ...]]:
    base = _recorded(game.cell.of(baseline))
    if base is None or base.paired_weights is None:
        return []
    found: list[tuple[str, ...]] = []
    for arm in game.cell.arms:
        run = _recorded(game.cell.of(arm)) if arm != baseline else None
        if run is not None and run.paired_weights is not None:
            found.append((game.cell.agent, arm, *_cells(run.paired_weights, base.paired_weights,
                                                        run.unpaired)))  # fmt: skip
    return found


def _recorded(runs: Sequence[Run]) -> Run | None:
    return next((run for run in runs if run.paired_weights is not None), None)


def _cells(weights: Shapes, base: Shapes, unpaired: Sequence[str]) -> tuple[str, str]:
    shared = [name for name, shape in weights.items() if base.get(name) == shape]
    others = [_words(name, shape, base) for name, shape in weights.items() if name not in shared]
    others += [f"{name} (neither linear nor a convolution)" for name in unpaired]
    return f"{len(shared)} of {len(weights)} layers", "; ".join(others) or "none"


def _words(name: str, shape: tuple[int, ...], base: Shapes) -> str:
    size = " x ".join(map(str, shape))
    there = f"{' x '.join(map(str, base[name]))} there" if name in base else "no such layer there"
    return f"{name} ({size}; {there})"
