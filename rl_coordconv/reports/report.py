"""The report's outline: which section holds which sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rl_coordconv.reports import formats, tables
from rl_coordconv.reports.figures import Figure, Painter
from rl_coordconv.reports.headline import Headline, headlines
from rl_coordconv.reports.imperfections import imperfections
from rl_coordconv.reports.method import method, reading
from rl_coordconv.reports.outcomes import Comparison, GameResult
from rl_coordconv.reports.pairings import pairing_table
from rl_coordconv.reports.precisions import precision_table
from rl_coordconv.reports.suite import SuiteResult, costs, suites
from rl_coordconv.reports.tables import Table


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        key: unique; what links point at.
        title: its heading.
        text: paragraphs.
        bullets: a list after them.
        figures: in order.
        tables: in order.
        sections: parts of it.
    """

    key: str
    title: str
    text: tuple[str, ...] = ()
    bullets: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        title: its heading.
        subtitle: what was read, and when.
        headlines: the answer, a comparison of two arms each.
        nothing: what to say where there is none.
        reading: what the words of the answer mean.
        warnings: what a reader must know first.
        sections: in order.
        colours: of the arms, by their names.
        names: short ones of the arms, by their names.
    """

    title: str
    subtitle: str
    headlines: tuple[Headline, ...]
    nothing: str
    reading: tuple[str, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    colours: dict[str, str]
    names: dict[str, str]

    @property
    def figures(self) -> list[Figure]:
        """All figures."""
        found: list[Figure] = []
        waiting = list(self.sections)
        while waiting:
            section = waiting.pop(0)
            found += section.figures
            waiting += section.sections
        return found


def build_report(comparison: Comparison, *, source: str, made: str) -> Report:
    """Lay out a comparison.

    Args:
        comparison: what was found.
        source: what was read, for the head of the report.
        made: when, in words.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    painter = Painter(comparison)
    finished = sum(game_arm.n for game in comparison.games for game_arm in game.arms)
    total = finished + len(comparison.left_out)
    arms = {arm.arm for game in comparison.games for arm in game.arms}
    found = suites(comparison)
    sections = [
        _overview(comparison, painter),
        _choices(comparison),
        *(_suite(suite, painter) for suite in found),
        *(_games(comparison, agent, painter) for agent in comparison.agents),
        _weights(comparison, painter),
        Section(
            "cost",
            "Cost",
            text=(
                "Measured while training, on machines that runs may have shared: two digits, and a "
                "ratio to the baseline that says no more than which arm was about as fast.",
            ),
            tables=(tables.cost(costs(comparison)),),
        ),
        _divergences(comparison),
        _imperfections(comparison),
        Section(
            "method",
            "Method",
            bullets=tuple(method(comparison)),
            tables=tuple(
                table
                for table in (
                    precision_table(comparison),
                    pairing_table(comparison),
                    tables.environments(comparison),
                )
                if table is not None
            ),
        ),
    ]
    return Report(
        title="Do coordinates help?",
        subtitle=f"{finished} of {total} runs finished · {source} · {made}",
        headlines=headlines(comparison, found, painter.name),
        nothing="Only one arm was found: there is nothing to compare yet.",
        reading=tuple(reading(comparison)),
        warnings=comparison.warnings,
        sections=tuple(section for section in sections if section),
        colours={arm: painter.colour(arm) for arm in sorted(arms)},
        names={arm: painter.name(arm) for arm in sorted(arms)},
    )


def _overview(comparison: Comparison, painter: Painter) -> Section | None:
    drawn = (painter.differences(one.agent, one.arm, one.other) for one in comparison.tallies)
    found = [tables.arms(comparison, painter.name)]
    if comparison.tallies:
        found += [tables.overview(comparison, agent, painter.name) for agent in comparison.agents]
    figures = tuple(figure for figure in drawn if figure)
    return Section("overview", "Game by game", figures=figures, tables=tuple(found))


def _choices(comparison: Comparison) -> Section | None:
    selection = comparison.selection
    if selection is None:
        return None
    chosen_on = formats.seeds(selection.seeds)
    text = (
        f"For every game, agent and arm the setting with the highest mean score on the seeds "
        f"{chosen_on} was taken, and is judged on the other seeds alone. A score there is as "
        "everywhere in this report, within the fewest agent steps that a finished run of that game "
        "and agent has reached with any setting.",
    )
    return Section(
        "choices", "Which hyperparameters were chosen", text=text,
        tables=(tables.choices(selection),),
    )  # fmt: skip


def _suite(suite: SuiteResult, painter: Painter) -> Section:
    text = [f"Games: {', '.join(suite.games)}."] if suite.games else []
    if not suite.games:
        why = "for these reasons" if suite.left_out else "as no run is finished"
        text.append(f"There are no aggregates over games yet, {why}.")
    if suite.left_out:
        text.append(f"Left out here: {', '.join(suite.left_out)}.")
    figures = (painter.profiles(suite), painter.efficiency(suite)) if suite.rows else ()
    found = (tables.aggregates(suite), tables.suite_differences(suite)) if suite.rows else ()
    return Section(
        f"suite-{suite.agent}",
        f"All games together: {suite.agent}",
        text=tuple(text),
        figures=tuple(figure for figure in figures if figure),
        tables=tuple(table for table in found if table),
    )


def _games(comparison: Comparison, agent: str, painter: Painter) -> Section:
    games = comparison.games_of(agent)
    inner = tuple(_game(game, painter) for game in games)
    return Section(f"games-{agent}", f"Each game: {agent}", sections=inner)


def _game(game: GameResult, painter: Painter) -> Section:
    cell = game.cell
    facts = [f"compared at {cell.budget:,} agent steps" if cell.budget else "no finished run"]
    if game.random is not None:
        facts.append(f"{game.lower} {formats.number(game.random)}")
    if game.margin is not None:
        facts.append(f"similar within ±{formats.number(game.margin)}")
    if game.threshold is not None:
        facts.append(f"threshold {formats.number(game.threshold)}")
    line = "; ".join(facts)
    figure = painter.curves(game)
    found: Sequence[Table | None] = (tables.verdicts(game, painter.name), tables.scores(game))
    return Section(
        f"{cell.agent}-{cell.game}",
        f"{cell.game}, {cell.agent}",
        text=(line[0].upper() + line[1:] + ".",),
        bullets=game.notes,
        figures=(figure,) if figure else (),
        tables=tuple(table for table in found if table),
    )


def _weights(comparison: Comparison, painter: Painter) -> Section | None:
    drawn = [painter.weights(game) for game in comparison.games]
    figures = tuple(figure for figure in drawn if figure)
    if not figures:
        return None
    text = (
        "The norm of a CoordConv layer's coordinate weights divided by that of its image weights, "
        "mean over the finished runs. It tells how large they are, not whether the policy uses "
        "them: rl-coordconv evaluate RUN --ablate-coordinates plays with them at zero. The "
        "placebo's extra channels are shown where they were recorded.",
    )
    return Section("weights", "Coordinate weights beside image weights", text=text, figures=figures)


def _divergences(comparison: Comparison) -> Section | None:
    if not comparison.divergences:
        return None
    text = (
        "A run diverges when its losses, values or weights become NaN or infinite. It is not tried "
        "again unless that is asked for; where it was, the later attempt went on from an earlier "
        "checkpoint on other games. Either way the runs that are left have been selected for not "
        "diverging: arms with different numbers here do not compare like with like.",
    )
    return Section(
        "divergence", "Runs that diverged", text=text,
        tables=(tables.divergences(comparison.divergences),),
    )  # fmt: skip


def _imperfections(comparison: Comparison) -> Section | None:
    table = imperfections(comparison)
    return Section("imperfect", "What was not perfect", tables=(table,)) if table else None
