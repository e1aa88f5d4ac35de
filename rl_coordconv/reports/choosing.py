"""Hyperparameter selection: each arm's setting is chosen on some seeds and judged on the others.

Choosing on the seeds that are judged would report the luckiest of several tries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.reports import formats
from rl_coordconv.reports.results import Run
from rl_coordconv.runs.config import MAX_SEED

PRESET = "preset."
Group = tuple[str, str, str | None]
"""Game, agent and protocol: what is never chosen between."""
Values = tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What was chosen for one arm of one agent on one game.

    Attributes:
        game: the game's name.
        agent: the agent's name, with its protocol where it has several.
        arm: the arm's name.
        setting: the chosen hyperparameters, in words; None where none could be chosen.
        score: mean score of the runs it was chosen by; None where it was the only one.
        settings: how many settings the arm had.
        incomplete: how many of them could not be chosen, for want of a finished run.
    """

    game: str
    agent: str
    arm: str
    setting: str | None
    score: float | None
    settings: int
    incomplete: int

    @property
    def sentence(self) -> str:
        """The choice in words."""
        place = f"{self.arm}, {self.agent}, {self.game}"
        if self.setting is None:
            return f"{place}: nothing could be chosen of {_settings(self.settings)}"
        of = "the only setting" if self.settings == 1 else f"chosen of {_settings(self.settings)}"
        score = "" if self.score is None else f", mean score {formats.number(self.score)}"
        return f"{place}: {self.setting} ({of}{score})"


@dataclass(frozen=True)
class Selection:
    """What was chosen, and what that leaves to judge.

    Attributes:
        seeds: those that it was chosen on.
        judged: the runs of the chosen settings on the other seeds.
        choices: by agent, game and arm.
        keys: the settings that varied.
        labels: each run's hyperparameters in words, by its path.
        counts: how many settings its arm had, by its path.
        chosen: the paths of all runs of the chosen settings.
        warnings: what a reader must know.
    """

    seeds: tuple[int, ...]
    judged: tuple[Run, ...]
    choices: tuple[Choice, ...]
    keys: tuple[str, ...]
    labels: Mapping[Path, str]
    counts: Mapping[Path, int]
    chosen: frozenset[Path]
    warnings: tuple[str, ...]

    def use(self, run: Run) -> str:
        """Say what a run was used for."""
        if run.path not in self.chosen:
            return "compared for the choice" if run.seed in self.seeds else "not chosen"
        return "chosen by" if run.seed in self.seeds else "judged"


@dataclass
class _Gathered:
    """A selection in the making."""

    choices: list[Choice] = field(default_factory=list)
    labels: dict[Path, str] = field(default_factory=dict)
    counts: dict[Path, int] = field(default_factory=dict)
    chosen: set[Path] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds: ``0-1``, ``0,2`` or ``0-2,5``.

    Raises:
        InputError: anything else, or a seed that no run can have.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        ends = [first, last] if dash else [first]
        if not all(one.isascii() and one.isdigit() and len(one) < 10 for one in ends):
            raise InputError(f"--select-seeds {shown(text)} is neither like 0-1 nor like 0,2")
        low, high = int(ends[0]), int(ends[-1])
        if not low <= high <= MAX_SEED:
            raise InputError(
                f"--select-seeds {shown(text)}: {shown(part)} is not a seed, or a first and a last "
                f"one (allowed: 0 to {MAX_SEED:,})"
            )
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def choose(runs: Sequence[Run], seeds: Sequence[int]) -> Selection:
    """Choose each arm's hyperparameters on some seeds; leave the other seeds to judge them on.

    For every game, agent, protocol and arm the setting with the highest mean score is taken, where
    a score is the report's (`Run.score`) within the fewest agent steps that any finished run of
    that game, agent and protocol has reached. Only settings with a finished run on each of the
    seeds can be chosen; an arm's only setting is taken as it is. Of equal means the first by its
    values, as text, is taken.

    Args:
        runs: all that were read.
        seeds: to choose on.

    Raises:
        InputError: a seed that no run has, or none left to judge on.
    """
    _check_seeds(runs, seeds)
    made = _Gathered()
    protocols: dict[str, set[str | None]] = {}
    groups: dict[Group, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.game, run.agent, run.protocol), []).append(run)
        protocols.setdefault(run.agent, set()).add(run.protocol)
    for (game, agent, protocol), mine in sorted(groups.items(), key=lambda item: str(item[0])):
        name = f"{agent}, {protocol}" if len(protocols[agent]) > 1 and protocol else agent
        _choose_in(made, game, name, mine, seeds)
    return Selection(
        seeds=tuple(seeds),
        judged=tuple(run for run in runs if run.path in made.chosen and run.seed not in seeds),
        choices=tuple(sorted(made.choices, key=lambda one: (one.agent, one.game, one.arm))),
        keys=tuple(sorted(made.keys)),
        labels=made.labels,
        counts=made.counts,
        chosen=frozenset(made.chosen),
        warnings=tuple(_warnings(made.choices, seeds)),
    )


def _check_seeds(runs: Sequence[Run], seeds: Sequence[int]) -> None:
    there = {run.seed for run in runs}
    said, here = formats.seeds(seeds), formats.seeds(sorted(there))
    unknown = [seed for seed in seeds if seed not in there]
    if unknown:
        raise InputError(
            f"--select-seeds {said}: no run has seed {formats.seeds(unknown)} (seeds here: {here})"
        )
    if not there - set(seeds):
        raise InputError(f"--select-seeds {said} leaves no seed to judge on (seeds here: {here})")


def _choose_in(
    made: _Gathered, game: str, agent: str, runs: Sequence[Run], seeds: Sequence[int]
) -> None:
    """Choose for every arm of one game, agent and protocol."""
    keys = _varying(runs)
    budget = min((run.num_timesteps for run in runs if run.usable), default=0)
    made.keys.update(keys)
    for arm in sorted({run.arm for run in runs}):
        by_values: dict[Values, list[Run]] = {}
        for run in runs:
            if run.arm == arm:
                values = tuple(run.settings.get(key, "unknown") for key in keys)
                by_values.setdefault(values, []).append(run)
                made.labels[run.path] = _label(keys, values)
        made.counts |= {run.path: len(by_values) for mine in by_values.values() for run in mine}
        means = {values: _mean(mine, seeds, budget) for values, mine in sorted(by_values.items())}
        complete = {values: mean for values, mean in means.items() if mean is not None}
        taken = max(complete, key=lambda values: complete[values], default=None)
        if len(by_values) == 1:
            taken = next(iter(by_values))
        if taken is not None:
            made.chosen |= {run.path for run in by_values[taken]}
        made.choices.append(
            Choice(
                game=game,
                agent=agent,
                arm=arm,
                setting=None if taken is None else _label(keys, taken),
                score=None if taken is None or len(by_values) == 1 else means[taken],
                settings=len(by_values),
                incomplete=len(by_values) - len(complete) if len(by_values) > 1 else 0,
            )
        )


def _varying(runs: Sequence[Run]) -> list[str]:
    keys = sorted({key for run in runs for key in run.settings if key.startswith(PRESET)})
    # What a run does not record (an import) is no setting that was tried.
    told = {key: {run.settings[key] for run in runs if key in run.settings} for key in keys}
    return [key for key in keys if len(told[key]) > 1]


def _label(keys: Sequence[str], values: Values) -> str:
    pairs = zip(keys, values, strict=True)
    return ", ".join(f"{key.removeprefix(PRESET)} {value}" for key, value in pairs) or "the preset"


def _mean(runs: Sequence[Run], seeds: Sequence[int], budget: int) -> float | None:
    """Return the mean score over the seeds; None where one of them has no finished run."""
    best: dict[int, Run] = {}
    for run in sorted(runs, key=lambda run: (run.num_timesteps, str(run.path))):
        if run.usable and run.games_within(budget):
            best[run.seed] = run
    if any(seed not in best for seed in seeds):
        return None
    return float(np.mean([best[seed].score(budget) for seed in seeds]))


def _warnings(choices: Sequence[Choice], seeds: Sequence[int]) -> list[str]:
    said = formats.seeds(seeds)
    if all(one.settings == 1 for one in choices):
        return [
            f"--select-seeds {said}: every arm has one setting, so that there was nothing to "
            "choose; these seeds are in no verdict all the same."
        ]
    warnings = [
        f"{one.arm}, {one.agent}, {one.game}: {one.incomplete} of {_settings(one.settings)} could "
        f"not be chosen, having no finished run on each of the seeds {said}."
        for one in choices
        if one.incomplete
    ]
    return warnings + _unequal(choices)


def _unequal(choices: Sequence[Choice]) -> list[str]:
    """Say where one arm had more tries than another."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for one in choices:
        counts.setdefault((one.agent, one.game), {})[one.arm] = one.settings
    told: dict[tuple[str, str], list[str]] = {}
    for (agent, game), by_arm in counts.items():
        if len(set(by_arm.values())) > 1:
            words = ", ".join(f"{arm} {number}" for arm, number in sorted(by_arm.items()))
            told.setdefault((agent, words), []).append(game)
    return [
        f"{agent}: arms had different numbers of settings to choose from ({words}; on "
        f"{', '.join(games)}). More tries are an advantage in themselves: these verdicts favour "
        "the arms that had more."
        for (agent, words), games in told.items()
    ]


def _settings(count: int) -> str:
    return f"{count} {'setting' if count == 1 else 'settings'}"
