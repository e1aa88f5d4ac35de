"""The report's tables, as plain cells that HTML and Markdown both write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rl_coordconv.extractors.arms import is_control
from rl_coordconv.reports import formats
from rl_coordconv.reports.choosing import Selection
from rl_coordconv.reports.formats import NONE
from rl_coordconv.reports.outcomes import (
    Against,
    ArmOnGame,
    Comparison,
    Divergence,
    GameResult,
)
from rl_coordconv.reports.suite import Cost, SuiteResult


@dataclass(frozen=True)
class Chip:
    """A verdict, to be shown as such."""

    word: str
    reason: str = ""


@dataclass(frozen=True)
class Arm:
    """An arm's name, to be shown with its colour."""

    name: str


Cell = str | Chip | Arm


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it shows.
        header: the columns' names.
        rows: as many cells each.
        text: how many columns from the left hold words; the others hold numbers.
        notes: how many columns from the right hold words, too.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text: int = 1
    notes: int = 0


Name = Callable[[str], str]
"""Gives an arm's short name."""


def overview(comparison: Comparison, agent: str, name: Name) -> Table:
    """Put every verdict of an agent in one table: a row a game, a column a pair of arms."""
    pairs = [(t.arm, t.other) for t in comparison.tallies if t.agent == agent]
    rows: list[tuple[Cell, ...]] = []
    for game in comparison.games_of(agent):
        found = {(arm.arm, one.other): one for arm in game.arms for one in arm.against}
        chips: list[Cell] = [
            Chip(found[pair].verdict.value, _size(found[pair])) if pair in found else NONE
            for pair in pairs
        ]
        rows.append((game.cell.game, *chips, formats.steps(game.cell.budget)))
    header = ("game", *(f"{name(arm)} vs {name(other)}" for arm, other in pairs), "agent steps")
    caption = f"Verdicts of {agent}, with the mean difference in raw score and the pairs of runs"
    return Table(caption, header, tuple(rows), len(header))


def _size(one: Against) -> str:
    pairs = f"{len(one.seeds)} {'pair' if len(one.seeds) == 1 else 'pairs'}"
    if one.difference is None:
        return pairs
    return f"{formats.number(one.difference.estimate, signed=True)}, {pairs}"


def arms(comparison: Comparison, name: Name) -> Table:
    """Tell what every short name stands for, and how large its network is."""
    found: dict[str, list[ArmOnGame]] = {}
    for game in comparison.games:
        for arm in game.arms:
            found.setdefault(arm.arm, []).append(arm)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Arm(arm),
            arm,
            _role(arm, comparison.options.baseline),
            str(sum(one.n for one in ones)),
            _sizes(_least_and_most([one.parameters for one in ones])),
        )
        for arm, ones in sorted(found.items(), key=lambda item: _order(item[0], comparison))
    )
    header = ("arm", "extractor and options", "role", "finished runs", "parameters")
    return Table("The arms: extractors with their options", header, rows, 3)


def _order(arm: str, comparison: Comparison) -> tuple[bool, str]:
    return arm != comparison.options.baseline, arm


def _role(arm: str, baseline: str) -> str:
    if arm == baseline:
        return "baseline here"
    return "control" if is_control(arm) else ""


def _least_and_most(sizes: Sequence[int | None]) -> tuple[int, int] | None:
    known = [size for size in sizes if size is not None]
    return (min(known), max(known)) if known else None


def scores(game: GameResult) -> Table:
    """Tell what each arm reached on one game, and at what cost."""
    regions = sorted({region for arm in game.arms for region in arm.elsewhere})
    header = (
        "arm", "seeds", "n", "score", "evaluation", *(f"evaluation, {one}" for one in regions),
        "area under curve", "steps to threshold",
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            Arm(arm.arm),
            formats.seeds([run.seed for run in arm.runs]),
            str(arm.n),
            formats.interval(arm.score),
            formats.number(arm.evaluation),
            *(formats.number(arm.elsewhere.get(region)) for region in regions),
            formats.number(arm.area),
            formats.reached(arm.reached),
        )
        for arm in game.arms
    )
    return Table(f"What each arm reached on {game.cell.game}", header, rows, 2)


def verdicts(game: GameResult, name: Name) -> Table | None:
    """Tell how the arms differ on one game; None where there is nothing to compare."""
    rows: list[tuple[Cell, ...]] = [
        (
            f"{name(arm.arm)} vs {name(one.other)}",
            Chip(one.verdict.value),
            *_difference(one),
            one.reason,
        )
        for arm in game.arms
        for one in arm.against
    ]
    header = ("arms", "verdict", "difference", "pairs", "P(improvement)", "p", "p (Holm)", "why")
    caption = f"Differences on {game.cell.game}, paired by seed"
    return Table(caption, header, tuple(rows), 2, notes=1) if rows else None


def _difference(one: Against) -> tuple[str, ...]:
    return (
        formats.interval(one.difference, signed=True),
        str(len(one.seeds)),
        formats.share(one.improvement, len(one.seeds)),
        formats.p_value(one.p_value),
        formats.p_value(one.adjusted_p),
    )


def aggregates(suite: SuiteResult) -> Table:
    """Tell each arm's sums over the games."""
    names = list(suite.rows[0].aggregates)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (Arm(row.arm), str(row.n), *(formats.interval(row.aggregates[name]) for name in names))
        for row in suite.rows
    )
    games = f"{len(suite.games)} {'game' if len(suite.games) == 1 else 'games'}"
    caption = f"{suite.scale.capitalize()} scores of {suite.agent} over {games}"
    return Table(caption, ("arm", "runs", *names), rows)


def suite_differences(suite: SuiteResult) -> Table | None:
    """Tell how the arms differ over all games; None where there is nothing to compare."""
    rows: list[tuple[Cell, ...]] = [
        (
            Arm(row.arm),
            Arm(one.other),
            str(one.games),
            str(one.pairs),
            formats.interval(one.iqm, signed=True),
            formats.share(one.improvement, one.pairs),
        )
        for row in suite.rows
        for one in row.differences
    ]
    header = ("arm", "beside", "games", "pairs", "difference of IQM", "P(improvement)")
    caption = f"Differences of {suite.agent} over the games, paired by seed"
    return Table(caption, header, tuple(rows), 2) if rows else None


def cost(costs: Sequence[Cost]) -> Table:
    """Tell what each arm cost."""
    header = ("agent", "arm", "runs", "steps/s (median)", "beside the baseline", "parameters",
              "training, all runs")  # fmt: skip
    rows = tuple(
        (
            one.agent,
            Arm(one.arm),
            str(one.runs),
            formats.rough(one.steps_per_second),
            NONE if one.relative is None else f"{one.relative:.1f} x",
            _sizes(one.parameters),
            formats.duration(one.seconds),
        )
        for one in costs
    )
    return Table("Speed, size and training time", header, rows, 2)


def _sizes(sizes: tuple[int, int] | None) -> str:
    if sizes is None:
        return NONE
    least, most = sizes
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def divergences(rows: Sequence[Divergence]) -> Table:
    """Tell of every arm how many of its runs diverged, and what became of them."""
    header = ("agent", "arm", "runs", "diverged", "trained again", "of them in verdicts",
              "ended by diverging")  # fmt: skip
    cells = tuple(
        (one.agent, Arm(one.arm), str(one.runs), str(one.diverged), str(one.retried),
         str(one.counted), str(len(one.lost)))
        for one in rows
    )  # fmt: skip
    return Table("Runs that diverged, by arm", header, cells, 2)


def choices(selection: Selection) -> Table:
    """Tell which hyperparameters each arm was judged with, and how many it had to choose from."""
    header = ("game", "agent", "arm", "setting", "chosen of", "mean score where it was chosen")
    rows = tuple(
        (
            one.game,
            one.agent,
            one.arm,
            one.setting or "none could be chosen",
            str(one.settings),
            formats.number(one.score),
        )
        for one in selection.choices
    )
    return Table("Hyperparameters that each arm is judged with", header, rows, 4)


def environments(comparison: Comparison) -> Table:
    """Tell what the runs ran on: every recorded value and how many runs share it."""
    keys: dict[str, dict[str, int]] = {}
    for run in comparison.runs:
        for key, value in run.settings.items():
            counts = keys.setdefault(key, {})
            counts[value] = counts.get(value, 0) + 1
    rows = tuple(
        (key, "; ".join(_counted(value, n, len(counts)) for value, n in sorted(counts.items())))
        for key, counts in sorted(keys.items())
    )
    return Table("Settings, versions and hardware of the runs", ("what", "value"), rows, 2)


def _counted(value: str, n: int, values: int) -> str:
    return value if values == 1 else f"{value} ({n} {'run' if n == 1 else 'runs'})"
