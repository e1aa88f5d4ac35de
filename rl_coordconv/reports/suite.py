"""Sums over the games of one agent: human-normalised scores and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rl_coordconv import statistics
from rl_coordconv.envs import median_regressions
from rl_coordconv.reports.comparison import comparisons_of, curve, without_ends
from rl_coordconv.reports.outcomes import ArmOnGame, Comparison, GameResult, Options
from rl_coordconv.reports.results import Floats
from rl_coordconv.statistics import Interval

PROFILE_POINTS = 81
EFFICIENCY_POINTS = 20


@dataclass(frozen=True)
class Band:
    """A curve with its confidence band: all (points,)."""

    x: Floats
    estimate: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class SuiteDifference:
    """One arm beside another over the games that both have pairs of seeds on."""

    other: str
    games: int
    pairs: int
    iqm: Interval
    improvement: Interval


@dataclass(frozen=True)
class SuiteRow:
    """One arm over the suite.

    Attributes:
        arm: its name.
        extractor: its extractor's name, which chooses the colour.
        n: runs over all games together.
        aggregates: of the human-normalised scores, by their names in `statistics.AGGREGATES`.
        differences: beside the other arms.
        profile: (thresholds,) part of the runs above each human-normalised score.
        efficiency: interquartile mean of the curves over the fraction of the budget.
    """

    arm: str
    extractor: str
    n: int
    aggregates: dict[str, Interval]
    differences: tuple[SuiteDifference, ...]
    profile: Band
    efficiency: Band


@dataclass(frozen=True)
class SuiteResult:
    """One agent over the games on which every arm has a finished run.

    Attributes:
        agent: its name.
        games: the games that count.
        left_out: the games and arms that do not, and why.
        rows: the arms, the baseline first; empty where no game counts.
        scale: what the scores are: ``human-normalised``, or ``normalised`` by chosen bounds.
    """

    agent: str
    games: tuple[str, ...]
    left_out: tuple[str, ...]
    rows: tuple[SuiteRow, ...]
    scale: str = "human-normalised"


@dataclass(frozen=True)
class Cost:
    """What one arm's runs cost over all games of an agent.

    Attributes:
        agent: the agent's name.
        arm: the arm's name.
        runs: how many were measured.
        seconds: of training, all together.
        steps_per_second: median over the runs.
        relative: the same in parts of the baseline's.
        parameters: numbers in the policy of each game, fewest and most.
    """

    agent: str
    arm: str
    runs: int
    seconds: float
    steps_per_second: float | None
    relative: float | None
    parameters: tuple[int, int] | None


def suites(comparison: Comparison) -> list[SuiteResult]:
    """Sum up each agent."""
    return [
        _suite(agent, comparison.games_of(agent), comparison.options) for agent in comparison.agents
    ]


def costs(comparison: Comparison) -> list[Cost]:
    """Tell what each agent's arms cost."""
    rows = []
    for agent in comparison.agents:
        found = [arm for game in comparison.games_of(agent) for arm in game.arms]
        names = _arm_names(comparison.games_of(agent), comparison.options.baseline)
        speeds = {name: _speed([arm for arm in found if arm.arm == name]) for name in names}
        base = speeds.get(comparison.options.baseline)
        for name in names:
            mine = [arm for arm in found if arm.arm == name]
            sizes = [arm.parameters for arm in mine if arm.parameters is not None]
            speed = speeds[name]
            rows.append(
                Cost(
                    agent=agent,
                    arm=name,
                    runs=sum(arm.n for arm in mine),
                    seconds=sum(arm.seconds for arm in mine),
                    steps_per_second=speed,
                    relative=speed / base if speed and base else None,
                    parameters=(min(sizes), max(sizes)) if sizes else None,
                )
            )
    return rows


def _speed(arms: Sequence[ArmOnGame]) -> float | None:
    runs = [run for arm in arms for run in arm.runs if run.seconds > 0]
    return float(np.median([run.num_timesteps / run.seconds for run in runs])) if runs else None


def _arm_names(games: Sequence[GameResult], baseline: str) -> list[str]:
    names = {arm.arm for game in games for arm in game.arms}
    return sorted(names, key=lambda name: (name != baseline, name))


def _suite(agent: str, games: list[GameResult], options: Options) -> SuiteResult:
    names = _arm_names(games, options.baseline)
    # An arm that has no finished run anywhere must not empty the table of the others.
    everyone = names
    names = [name for name in names if any(_of(game, name).n for game in games if _has(game, name))]
    used, left_out = [], []
    for game in games:
        if not names:
            continue
        lacking = [name for name in names if not _has(game, name) or not _of(game, name).n]
        if game.random is None:
            left_out.append(f"{game.cell.game} (no reference scores)")
        elif lacking:
            left_out.append(f"{game.cell.game} (no finished run of {', '.join(lacking)})")
        else:
            used.append(game)
    idle = [name for name in everyone if name not in names]
    if idle and names:
        left_out.append(f"{', '.join(idle)} (no finished run at all)")
    rows = [_row(used, name, names, options) for name in names] if used else []
    counted = tuple(game.cell.game for game in used)
    scale = "normalised" if set(counted) & set(options.bounds) else "human-normalised"
    return SuiteResult(agent, counted, tuple(left_out), tuple(rows), scale)


def _has(game: GameResult, name: str) -> bool:
    return any(arm.arm == name for arm in game.arms)


def _of(game: GameResult, name: str) -> ArmOnGame:
    return next(arm for arm in game.arms if arm.arm == name)


def _normalised(game: GameResult, values: Sequence[float] | Floats, options: Options) -> Floats:
    scores = options.reference(game.cell.game)
    assert scores is not None  # games without any are left out
    return (np.asarray(values, np.float64) - scores.random) / (scores.human - scores.random)


def _row(games: list[GameResult], name: str, names: list[str], options: Options) -> SuiteRow:
    scores = [_normalised(game, _of(game, name).scores, options) for game in games]
    settings: dict[str, Any] = {
        "resamples": options.resamples,
        "confidence": options.confidence,
    }
    aggregates = {
        key: _unless_single(
            statistics.stratified_interval(scores, aggregate, rng=options.rng(), **settings), scores
        )
        for key, aggregate in statistics.AGGREGATES.items()
    }
    by_game = {game.cell.game: one for game, one in zip(games, scores, strict=True)}
    for suite, regression in median_regressions().items():
        wanted = regression.coefficients
        if wanted.keys() <= by_game.keys():
            part = [by_game[game] for game in wanted]
            aggregate = statistics.median_regression(list(wanted.values()))
            aggregates[f"median of 57 by {suite}"] = _unless_single(
                statistics.stratified_interval(part, aggregate, rng=options.rng(), **settings),
                part,
            )
    others = comparisons_of(name, names, options.baseline)
    differences = [_difference(games, name, other, options) for other in others if other in names]
    everyone = np.concatenate(
        [_normalised(game, _of(game, other).scores, options) for game in games for other in names]
    )
    low, high = min(0.0, everyone.min()), max(everyone.max(), 0.1)
    thresholds = np.linspace(low, high + 0.02 * (high - low), PROFILE_POINTS)
    return SuiteRow(
        arm=name,
        extractor=_of(games[0], name).extractor,
        n=sum(len(one) for one in scores),
        aggregates=aggregates,
        differences=tuple(one for one in differences if one),
        profile=_profile(scores, thresholds, options),
        efficiency=_efficiency(games, name, options),
    )


def _profile(scores: list[Floats], thresholds: Floats, options: Options) -> Band:
    band = statistics.profile_band(
        scores,
        thresholds,
        rng=options.rng(),
        resamples=options.resamples,
        confidence=options.confidence,
    )
    if max(map(len, scores)) > 1:
        return Band(thresholds, *band)
    unknown = np.full_like(thresholds, np.nan)
    return Band(thresholds, band.estimate, unknown, unknown)


def _difference(
    games: list[GameResult], name: str, other: str, options: Options
) -> SuiteDifference | None:
    first, second = [], []
    for game in games:
        mine, theirs = (_by_seed(_of(game, arm)) for arm in (name, other))
        seeds = sorted(mine.keys() & theirs.keys())
        if seeds:
            first.append(_normalised(game, [mine[seed] for seed in seeds], options))
            second.append(_normalised(game, [theirs[seed] for seed in seeds], options))
    if not first:
        return None
    settings: dict[str, Any] = {
        "resamples": options.resamples,
        "confidence": options.confidence,
    }
    iqm = statistics.paired_stratified_interval(
        first, second, statistics.AGGREGATES["IQM"], rng=options.rng(), **settings
    )
    improvement = statistics.improvement_interval(first, second, rng=options.rng(), **settings)
    return SuiteDifference(
        other,
        len(first),
        sum(map(len, first)),
        _unless_single(iqm, first),
        _unless_single(improvement, first),
    )


def _unless_single(interval: Interval, scores: Sequence[Floats]) -> Interval:
    """Take the ends away where every game has one run: resampling that shows no spread at all."""
    return interval if max(map(len, scores)) > 1 else without_ends(interval.estimate)


def _by_seed(arm: ArmOnGame) -> dict[int, float]:
    return dict(zip([run.seed for run in arm.runs], arm.scores, strict=True))


def _efficiency(games: list[GameResult], name: str, options: Options) -> Band:
    """Follow the interquartile mean over the part of each game's budget that is spent."""
    parts = np.linspace(0, 1, EFFICIENCY_POINTS + 1)[1:]
    curves = []  # of each game, (runs, points)
    for game in games:
        grid = parts * game.cell.budget
        rows = [statistics.on_grid(*curve(run), grid) for run in _of(game, name).runs]
        curves.append(_normalised(game, np.array(rows), options))
    interval = partial(
        statistics.stratified_interval,
        aggregate=statistics.AGGREGATES["IQM"],
        resamples=options.resamples,
        confidence=options.confidence,
    )
    # The sum begins where every run of every game has a point.
    known = np.all([np.isfinite(rows).all(axis=0) for rows in curves], axis=0)
    at = np.flatnonzero(known)
    points = [interval([rows[:, i] for rows in curves], rng=options.rng()) for i in at]
    points = [_unless_single(point, [rows[:, 0] for rows in curves]) for point in points]
    columns = np.array([(point.estimate, point.low, point.high) for point in points])
    return Band(parts[at], *columns.reshape(-1, 3).T)
