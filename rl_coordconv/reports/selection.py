"""Which runs count: each once, finished ones only, and every other one with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rl_coordconv.reports.planned import Planned
from rl_coordconv.reports.results import IMPORTED, Run
from rl_coordconv.reports.variants import with_variants
from rl_coordconv.runs import RunState


@dataclass(frozen=True)
class LeftOut:
    """A run that counts in no verdict.

    Attributes:
        label: the run in words.
        state: where it stands, or ``unreadable`` or ``missing``.
        progress: how much of it is done, in words.
        reason: why it does not count.
    """

    label: str
    state: str
    progress: str
    reason: str


@dataclass(frozen=True)
class Cell:
    """All runs of one agent on one game.

    Attributes:
        game: the game's name.
        agent: the agent's name, with what tells its variants apart where it has several.
        budget: agent steps at which scores are compared: the fewest that a run here has reached.
        runs: the runs that count.
        unfinished: the runs that do not count but have a curve.
        every: all runs, also those without a curve.
        arms: every arm that has a run here or is planned to have one.
    """

    game: str
    agent: str
    budget: int
    runs: tuple[Run, ...]
    unfinished: tuple[Run, ...]
    every: tuple[Run, ...]
    arms: tuple[str, ...]

    def of(self, arm: str) -> tuple[Run, ...]:
        """Return an arm's runs that count, by seed."""
        return tuple(run for run in self.runs if run.arm == arm)


def select(
    runs: Sequence[Run], planned: Iterable[Planned], every: Sequence[Run] | None = None
) -> tuple[list[Cell], list[LeftOut]]:
    """Sort runs into cells.

    Args:
        runs: those that are to be compared.
        planned: the runs that a sweep asks for.
        every: all that were read; None where these are all.

    Returns:
        The cells by agent and game, and the runs that do not count.
    """
    named = with_variants(runs)
    kept, left_out = _without_repetition(named)
    left_out += [_unfinished(run) for run in kept if not run.usable]
    planned = list(planned)
    left_out += missing(runs if every is None else every, planned)
    # A plan does not tell to which of an agent's variants a run belongs.
    divided = {old.agent for old, new in zip(runs, named, strict=True) if old.agent != new.agent}
    planned = [one for one in planned if one.agent not in divided]
    keys = sorted(
        {(run.agent, run.game) for run in kept} | {(one.agent, one.game) for one in planned}
    )
    cells = []
    for agent, game in keys:
        here = [run for run in kept if (run.agent, run.game) == (agent, game)]
        arms = {run.arm for run in here} | {
            one.arm for one in planned if (one.agent, one.game) == (agent, game)
        }
        cells.append(_cell(game, agent, here, sorted(arms)))
    left_out += [
        LeftOut(run.label, run.state, _progress(run), "no game ended within the common budget")
        for cell in cells
        for run in cell.unfinished
        if run.usable
    ]
    return cells, left_out


def missing(runs: Sequence[Run], planned: Iterable[Planned]) -> list[LeftOut]:
    """Name the runs that a sweep asks for and that are not there."""
    there: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        there.setdefault((run.game, run.agent, run.arm, run.seed), []).append(run)
    return [
        LeftOut(one.label, "missing", "0 steps", "planned, but not there")
        for one in planned
        if not any(one.is_met_by(run) for run in there.get(one[:4], ()))
    ]


def _cell(game: str, agent: str, runs: list[Run], arms: list[str]) -> Cell:
    runs = sorted(runs, key=lambda run: (run.arm, run.seed))
    usable = [run for run in runs if run.usable]
    budget = min((run.num_timesteps for run in usable), default=0)
    within = [run for run in usable if run.games_within(budget)]
    others = [run for run in runs if run not in within and len(run.steps)]
    return Cell(
        game, agent, budget, tuple(within), tuple(others), every=tuple(runs), arms=tuple(arms)
    )


def _without_repetition(runs: Sequence[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Keep one run of each game, agent, arm and seed: the one that got furthest."""
    best: dict[tuple[str, str, str, int], Run] = {}
    left_out = []
    for run in sorted(runs, key=lambda run: (not run.usable, -run.num_timesteps, str(run.path))):
        key = (run.game, run.agent, run.arm, run.seed)
        if key not in best:
            best[key] = run
            continue
        same = run.identity == best[key].identity
        reason = (
            f"{'the same run as' if same else 'the same seed and settings as'} {best[key].path}"
        )
        left_out.append(LeftOut(run.label, run.state, _progress(run), reason))
    order = {id(run): index for index, run in enumerate(runs)}
    return sorted(best.values(), key=lambda run: order[id(run)]), left_out


def _unfinished(run: Run) -> LeftOut:
    reason = run.error or {
        RunState.PENDING: "has not begun",
        RunState.RUNNING: "is still being trained, or died without a word",
        RunState.INTERRUPTED: "was stopped; it can be resumed",
        RunState.FAILED: "failed without a message",
        RunState.DONE: "no training game ended",
        IMPORTED: "no training game ended",
    }.get(run.state, "not finished")
    return LeftOut(
        run.label, run.state, _progress(run), f"{_extension(run)}{_divergence(run)}{reason}"
    )


def _extension(run: Run) -> str:
    return f"extended {run.extended}: " if run.extended else ""


def _divergence(run: Run) -> str:
    if not run.divergences:
        return ""
    times = "once" if run.divergences == 1 else f"{run.divergences} times"
    if run.has_diverged:
        after = "not tried again" if not run.divergence_retries else "given up"
        return f"diverged {times}, {after}: "
    return f"diverged {times}, tried again: "


def _progress(run: Run) -> str:
    if not run.total_timesteps:
        return f"{run.num_timesteps:,} steps"
    return f"{run.num_timesteps:,} of {run.total_timesteps:,} steps"
