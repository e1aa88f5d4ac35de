"""From runs to verdicts: arms beside a baseline, game by game, in pairs that share a seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rl_coordconv import statistics
from rl_coordconv._util.errors import closest
from rl_coordconv.extractors.arms import control_of, extractor_of, is_control
from rl_coordconv.reports import formats
from rl_coordconv.reports.choosing import Selection, choose
from rl_coordconv.reports.differing import changed_formats, differing_settings, extended_runs
from rl_coordconv.reports.diverged import divergences
from rl_coordconv.reports.outcomes import (
    Against,
    ArmOnGame,
    Comparison,
    GameResult,
    Options,
    Tally,
)
from rl_coordconv.reports.planned import Planned
from rl_coordconv.reports.results import IMPORTED, Floats, Run, Unreadable
from rl_coordconv.reports.selection import Cell, LeftOut, select
from rl_coordconv.statistics import Interval, Verdict

WARM_UP = 20
"""Games after which a run's moving mean counts as a curve; before, one lucky game would be it."""

POINTS = 150
"""Points of a learning curve."""


def compare(
    runs: Sequence[Run],
    options: Options,
    *,
    unreadable: Sequence[Unreadable] = (),
    planned: Iterable[Planned] = (),
) -> Comparison:
    """Compare every arm with the baseline, and CoordConv with the placebo.

    Args:
        runs: all runs that were read.
        options: how.
        unreadable: what could not be read, to be named.
        planned: the runs that a sweep asks for, so that missing ones are named.

    Raises:
        InputError: seeds to choose hyperparameters on that are not there, or that are all.
    """
    selection = choose(runs, options.select_seeds) if options.select_seeds else None
    cells, left_out = select(selection.judged if selection else runs, planned, every=runs)
    left_out += [LeftOut(str(one.path), "unreadable", "-", one.reason) for one in unreadable]
    games = _adjusted([_compare_game(cell, options) for cell in cells])
    # An imported run says no more of its algorithm than its agent's name.
    algorithms = {
        run.agent: run.settings.get("preset.algorithm", run.agent)
        for cell in cells
        for run in cell.every
    }
    return Comparison(
        options=options,
        games=tuple(games),
        tallies=tuple(_tallies(games, options, algorithms)),
        left_out=tuple(left_out),
        warnings=tuple(_warnings(games, cells, options, selection)),
        runs=tuple(runs),
        divergences=tuple(divergences(cells, options.baseline)),
        unreadable=tuple(unreadable),
        selection=selection,
    )


def comparisons_of(arm: str, arms: Iterable[str], baseline: str) -> list[str]:
    """Return the arms that an arm is compared with: the baseline, and its control if any."""
    others = [] if arm == baseline else [baseline]
    control = control_of(arm, arms)
    if control is not None and control not in others:
        others.append(control)
    return others


def curve(run: Run) -> tuple[Floats, Floats]:
    """Return a run's learning curve without its first games: agent steps and moving means."""
    start = 0 if run.averaged else min(WARM_UP, len(run.steps)) - 1
    return run.steps[start:].astype(np.float64), run.smoothed[start:]


def _compare_game(cell: Cell, options: Options) -> GameResult:
    reference = options.reference(cell.game)
    random = reference.random if reference else None
    base = np.array([run.score(cell.budget) for run in cell.of(options.baseline)])
    margin = threshold = None
    notes = []
    if len(base):
        start = _start(cell, options.baseline) if random is None else random
        scale = abs(base.mean()) if random is None else max(base.mean() - random, 0.0)
        margin, threshold = options.margin * float(scale), float(start + base.mean()) / 2
        if margin == 0:
            notes.append(
                f"{options.baseline} plays no better than a random agent here: no difference is "
                "small beside what it learnt, so nothing is called similar"
            )
    names = sorted(cell.arms, key=lambda arm: (arm != options.baseline, arm))
    arms = [_arm_on_game(cell, arm, threshold) for arm in names]
    compared = [_with_comparisons(one, arms, margin, options) for one in arms]
    lower = "lower bound" if cell.game in options.bounds else "random agent"
    notes += _notes(cell, options)
    return GameResult(cell, random, margin, threshold, tuple(compared), tuple(notes), lower)


def _start(cell: Cell, arm: str) -> float:
    """Return the mean of an arm's first games, for a game without a random agent's score."""
    return float(np.mean([curve(run)[1][0] for run in cell.of(arm)]))


def _arm_on_game(cell: Cell, arm: str, threshold: float | None) -> ArmOnGame:
    runs = cell.of(arm)
    known = [run for run in (*runs, *cell.unfinished) if run.arm == arm]
    scores = [run.score(cell.budget) for run in runs]
    played = [float(np.mean(run.evaluation)) for run in runs if run.evaluation]
    areas, reached = [], []
    for run in runs:
        steps, values = curve(run)
        if steps[0] < cell.budget:
            areas.append(statistics.area_under_curve(steps, values, cell.budget))
        within = steps <= cell.budget
        if threshold is not None:
            reached.append(
                statistics.steps_to_threshold(steps[within], values[within], threshold)
                if within.any()
                else float("inf")
            )
    return ArmOnGame(
        arm=arm,
        extractor=known[0].extractor if known else extractor_of(arm),
        runs=runs,
        scores=tuple(scores),
        score=None,
        evaluation=float(np.mean(played)) if played else None,
        elsewhere=_elsewhere(runs),
        area=float(np.mean(areas)) if areas else None,
        reached=tuple(reached),
    )


def _elsewhere(runs: Sequence[Run]) -> dict[str, float]:
    """Return the mean, over the runs, of each region's mean score."""
    regions = sorted({region for run in runs for region in run.elsewhere})
    means = {
        region: [float(np.mean(run.elsewhere[region])) for run in runs if region in run.elsewhere]
        for region in regions
    }
    return {region: float(np.mean(values)) for region, values in means.items()}


def _with_comparisons(
    one: ArmOnGame, arms: Sequence[ArmOnGame], margin: float | None, options: Options
) -> ArmOnGame:
    scores = np.array(one.scores)
    by_name = {arm.arm: arm for arm in arms}
    names = comparisons_of(one.arm, by_name, options.baseline)
    against = [_against(one, by_name.get(name), name, margin, options) for name in names]
    return replace(one, score=_mean(scores, options), against=tuple(against))


def _mean(scores: Floats, options: Options) -> Interval | None:
    if len(scores) > 1:
        return statistics.mean_interval(scores, options.confidence)
    return without_ends(float(scores[0])) if len(scores) else None


def without_ends(estimate: float) -> Interval:
    """Return an estimate that nothing tells the error of, as one run does not."""
    return Interval(estimate, -math.inf, math.inf)


def _against(
    one: ArmOnGame, other: ArmOnGame | None, name: str, margin: float | None, options: Options
) -> Against:
    first = dict(zip([run.seed for run in one.runs], one.scores, strict=True))
    second = dict(zip([run.seed for run in other.runs], other.scores, strict=True)) if other else {}
    seeds = sorted(first.keys() & second.keys())
    if not seeds or margin is None:
        lacking = [arm for arm, scores in ((one.arm, first), (name, second)) if not scores]
        reason = f"no finished run of {' or of '.join(lacking)}" if lacking else "no seed in common"
        if not lacking and seeds:
            reason = f"no finished run of {options.baseline}, whose gain is the yardstick"
        return Against(name, (), (), None, None, None, None, Verdict.UNDECIDED, reason)
    differences = np.array([first[seed] - second[seed] for seed in seeds])
    decision = statistics.decide(differences, margin, confidence=options.confidence)
    improvement = statistics.improvement_interval(
        [np.array([first[seed] for seed in seeds])],
        [np.array([second[seed] for seed in seeds])],
        rng=options.rng(),
        resamples=options.resamples,
        confidence=options.confidence,
    )
    alone = len(seeds) == 1
    return Against(
        other=name,
        seeds=tuple(seeds),
        differences=tuple(differences.tolist()),
        difference=decision.interval,
        improvement=without_ends(improvement.estimate) if alone else improvement,
        p_value=None if alone else decision.p_value,
        adjusted_p=None,
        verdict=decision.verdict,
        reason=decision.reason,
    )


def _adjusted(games: list[GameResult]) -> list[GameResult]:
    """Adjust the p-values of each pair of arms for the number of games it was tested on."""
    families: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for index, game in enumerate(games):
        for arm in game.arms:
            for against in arm.against:
                if against.p_value is not None:
                    family = families.setdefault((game.cell.agent, arm.arm, against.other), [])
                    family.append((index, against.p_value))
    adjusted = {
        (index, key): float(value)
        for key, family in families.items()
        for (index, _), value in zip(family, statistics.holm([p for _, p in family]), strict=True)
    }
    return [
        replace(
            game,
            arms=tuple(
                replace(
                    arm,
                    against=tuple(
                        replace(
                            one,
                            adjusted_p=adjusted.get((index, (game.cell.agent, arm.arm, one.other))),
                        )
                        for one in arm.against
                    ),
                )
                for arm in game.arms
            ),
        )
        for index, game in enumerate(games)
    ]


def _tallies(
    games: Sequence[GameResult], options: Options, algorithms: Mapping[str, str]
) -> list[Tally]:
    counts: dict[tuple[str, str, str], dict[Verdict, int]] = {}
    for game in games:
        for arm in game.arms:
            for one in arm.against:
                key = (game.cell.agent, arm.arm, one.other)
                tally = counts.setdefault(key, dict.fromkeys(Verdict, 0))
                tally[one.verdict] += 1

    def order(key: tuple[str, str, str]) -> tuple[object, ...]:
        agent, arm, other = key
        return agent, other != options.baseline, is_control(arm), arm

    return [
        Tally(*key, counts[key], algorithm=algorithms.get(key[0], key[0]))
        for key in sorted(counts, key=order)
    ]


def _notes(cell: Cell, options: Options) -> list[str]:
    notes = []
    reached = sorted({run.num_timesteps for run in cell.runs})
    # Runs stop at the end of a rollout: less than a hundredth is no difference in what was asked.
    if reached and reached[-1] > 1.01 * reached[0]:
        notes.append(
            f"runs have trained for {reached[0]:,} to {reached[-1]:,} steps; all are compared at "
            f"{cell.budget:,}"
        )
    few = [run for run in cell.runs if run.games_within(cell.budget) < 100 and not run.averaged]
    if few:
        least = min(run.games_within(cell.budget) for run in few)
        notes.append(f"{len(few)} runs ended fewer than 100 games within the budget ({least})")
    imported = sorted({run.arm for run in cell.runs if run.state == IMPORTED})
    if imported:
        notes.append(
            f"{', '.join(imported)}: trained elsewhere; settings unknown, paired by number, step "
            "axis assumed"
        )
    paired = {run.seed for run in cell.of(options.baseline)}
    lone = {
        arm: sorted({run.seed for run in cell.of(arm)} ^ paired)
        for arm in cell.arms
        if arm != options.baseline and cell.of(arm) and paired
    }
    notes += [
        f"{arm} and {options.baseline} have not both finished seed {formats.seeds(seeds)}, which "
        "is in no pair of theirs"
        for arm, seeds in lone.items()
        if seeds
    ]
    return notes


def _warnings(
    games: Sequence[GameResult],
    cells: Sequence[Cell],
    options: Options,
    selection: Selection | None,
) -> list[str]:
    warnings = list(selection.warnings) if selection else []
    if not any(cell.runs for cell in cells):
        warnings.append("No run is finished yet: there is nothing to judge, only to name.")
    arms = sorted({arm for cell in cells for arm in cell.arms})
    if options.baseline not in arms:
        near = closest(options.baseline, arms, most=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        warnings.append(
            f"No run of the baseline {options.baseline!r} was found (arms here: "
            f"{', '.join(arms) or 'none'}){hint}: every verdict is undecided."
        )
    warnings += [one.sentence for one in divergences(cells, options.baseline) if one.diverged]
    warnings += differing_settings(cells, selection.keys if selection else ())
    warnings += changed_formats(cells) + extended_runs(cells)
    damaged = [run for cell in cells for run in cell.every if run.damaged]
    warnings += [
        f"{run.label}: {run.damaged} damaged {'line' if run.damaged == 1 else 'lines'} of its "
        "record of games left out."
        for run in damaged
    ]
    unknown = sorted({game.cell.game for game in games if game.random is None})
    if unknown:
        warnings.append(
            f"No reference scores are known for {', '.join(unknown)}: the margin there is "
            f"{options.margin:g} times the baseline's mean itself, and the suite leaves them out."
        )
    return warnings
