"""The answer in words: what was compared, what came out, how much, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from rl_coordconv.extractors.arms import published_tally
from rl_coordconv.reports import formats
from rl_coordconv.reports.outcomes import Against, Comparison, GameResult, Tally
from rl_coordconv.reports.suite import SuiteDifference, SuiteResult
from rl_coordconv.statistics import Interval, Verdict

ALPHA = 0.05
"""Below which an adjusted p-value counts as significant in a headline."""

Name = Callable[[str], str]


@dataclass(frozen=True)
class Headline:
    """One arm beside another over all games of an agent.

    Attributes:
        agent: the agent's name.
        arm: the arm's name.
        other: the arm that it is compared with.
        counts: on how many games each verdict was found.
        conclusion: what came out, in a few words.
        scope: with which agent, how many seeds and steps; empty where nothing is compared.
        answer: how much the arm differs, with its interval, in one sentence.
        verdicts: the verdicts, and what the correction for several games leaves of them.
        shortage: why games are undecided; empty where none is.
    """

    agent: str
    arm: str
    other: str
    counts: dict[Verdict, int]
    conclusion: str
    scope: str
    answer: str
    verdicts: str
    shortage: str

    @property
    def sentence(self) -> str:
        """What was compared, what came out, how much, and how sure it is."""
        answer = f"With {self.scope}, {self.answer}" if self.scope else self.answer
        return f"{self.conclusion} {answer}"


def headlines(
    comparison: Comparison, suites: Sequence[SuiteResult], name: Name
) -> tuple[Headline, ...]:
    """Put every comparison of two arms in words, in the order of the tallies.

    Args:
        comparison: what was found.
        suites: the same over the games of each agent.
        name: gives an arm's short name.
    """
    by_agent = {suite.agent: suite for suite in suites}
    return tuple(
        _headline(tally, comparison, by_agent[tally.agent], name) for tally in comparison.tallies
    )


def _headline(tally: Tally, comparison: Comparison, suite: SuiteResult, name: Name) -> Headline:
    games = [
        (game, against)
        for game in comparison.games_of(tally.agent)
        for arm in game.arms
        if arm.arm == tally.arm and (against := arm.versus(tally.other)) is not None
    ]
    confidence = comparison.options.confidence
    compared = [(game, against) for game, against in games if against.difference is not None]
    found = _found(compared, suite, tally)
    return Headline(
        agent=tally.agent,
        arm=tally.arm,
        other=tally.other,
        counts=tally.counts,
        conclusion=_conclusion(found, name(tally.arm), name(tally.other)),
        scope=_scope(compared, tally.agent) if compared else "",
        answer=_answer(tally, found, games, confidence, name),
        verdicts=_verdicts(tally, [against for _, against in games]),
        shortage=_shortage(games, confidence),
    )


@dataclass(frozen=True)
class _Found:
    """A difference, and of what it is one."""

    value: Interval
    what: str


def _found(
    compared: Sequence[tuple[GameResult, Against]], suite: SuiteResult, tally: Tally
) -> _Found | None:
    """Return the difference over all games, or on the only one; None without a common scale."""
    if len(compared) == 1:
        ((game, against),) = compared
        assert against.difference is not None
        return _Found(against.difference, f"the mean raw return on {game.cell.game}")
    one = _over_games(suite, tally)
    if one is None:
        return None
    return _Found(one.iqm, f"the IQM of {suite.scale} scores over {_games(one.games)}")


def _conclusion(found: _Found | None, arm: str, other: str) -> str:
    if found is None or not (math.isfinite(found.value.low) and math.isfinite(found.value.high)):
        return f"Whether {arm} differs from {other} cannot be told."
    if found.value.low > 0 or found.value.high < 0:
        return f"{arm} did {'better' if found.value.low > 0 else 'worse'} than {other}."
    return f"{arm} and {other} cannot be told apart."


def _answer(
    tally: Tally,
    found: _Found | None,
    games: Sequence[tuple[GameResult, Against]],
    confidence: float,
    name: Name,
) -> str:
    arm, other = name(tally.arm), name(tally.other)
    if found is not None:
        return _more_or_less(arm, other, found, confidence)
    if any(against.difference is not None for _, against in games):
        return f"{arm} was compared with {other} on games whose scores have no common scale."
    return f"{arm} cannot be compared with {other} yet: {games[0][1].reason}."


def _scope(compared: Sequence[tuple[GameResult, Against]], agent: str) -> str:
    pairs = sorted({len(against.seeds) for _, against in compared})
    budgets = sorted({game.cell.budget for game, _ in compared})
    seeds = _range(pairs, "seed", "seeds")
    steps = _range(budgets, "agent step", "agent steps")
    return f"{agent}, {seeds} a game and {steps} a run"


def _range(values: Sequence[int], one: str, many: str) -> str:
    low, high = values[0], values[-1]
    text = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{text} {one if high == 1 else many}"


def _games(count: int) -> str:
    return f"{count} {'game' if count == 1 else 'games'}"


def _over_games(suite: SuiteResult, tally: Tally) -> SuiteDifference | None:
    return next(
        (
            one
            for row in suite.rows
            if row.arm == tally.arm
            for one in row.differences
            if one.other == tally.other
        ),
        None,
    )


def _more_or_less(arm: str, other: str, found: _Found, confidence: float) -> str:
    value, what = found.value, found.what
    size = formats.number(abs(value.estimate))
    if value.estimate == 0:
        words = f"scored the same as {other}"
    else:
        words = f"scored {size} {'more' if value.estimate > 0 else 'less'} than {other}"
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        return f"{arm} {words} in {what}; one pair of runs has no interval."
    low, high = (formats.number(end, signed=True) for end in (value.low, value.high))
    return f"{arm} {words} in {what} ({confidence:.0%} interval of the difference {low} to {high})."


def _verdicts(tally: Tally, found: Sequence[Against]) -> str:
    parts = [f"{word} on {tally.counts[word]}" for word in Verdict if tally.counts[word]]
    text = f"By game: {', '.join(parts)} of {tally.games}"
    paper = published_tally(tally.arm, tally.other, tally.algorithm)
    text += f" (better/similar/worse in the paper: {paper})." if paper else "."
    clear = [one for one in found if one.verdict in (Verdict.BETTER, Verdict.WORSE)]
    if clear and tally.games > 1:
        kept = sum(one.adjusted_p is not None and one.adjusted_p < ALPHA for one in clear)
        text += (
            f" That is not corrected for {tally.games} games: after Holm's correction {kept} of "
            f"the {len(clear)} better or worse remain significant at {ALPHA:.0%}."
        )
    return text


def _shortage(games: Sequence[tuple[GameResult, Against]], confidence: float) -> str:
    """Say how many pairs an answer would have needed."""
    open_ones = [(g, one) for g, one in games if one.verdict is Verdict.UNDECIDED]
    if not open_ones:
        return ""
    needed = [
        pairs for game, one in open_ones if (pairs := pairs_needed(one, game.margin, confidence))
    ]
    least = min((len(one.seeds) for _, one in open_ones), default=0)
    if least < 3:
        return "Undecided for want of runs: a verdict needs at least 3 pairs."
    if not needed:
        return ""
    middle = sorted(needed)[len(needed) // 2]
    most = "more than a thousand" if middle > 1000 else f"about {middle:,}"
    return (
        "Undecided means that the interval holds both no difference and one that would matter: "
        f"with runs that differ as these do, {most} pairs a game would be needed."
    )


def pairs_needed(against: Against, margin: float | None, confidence: float) -> int | None:
    """Return with how many pairs the interval would be as narrow as the margin on each side.

    By the normal approximation from the pairs' standard deviation, which few pairs estimate only
    roughly; None where there is no margin, or no spread to estimate.
    """
    n = len(against.differences)
    if n < 2 or not margin:
        return None
    mean = sum(against.differences) / n
    variance = sum((one - mean) ** 2 for one in against.differences) / (n - 1)
    width = NormalDist().inv_cdf((1 + confidence) / 2)  # in standard errors
    return max(n, math.ceil(variance * (width / margin) ** 2)) if variance > 0 else None
