"""What a comparison finds, as plain facts: per arm, per game, and over all games of an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.envs import ReferenceScores, reference_scores
from rl_coordconv.extractors.arms import published_tally
from rl_coordconv.reports.choosing import Selection
from rl_coordconv.reports.results import Run, Unreadable
from rl_coordconv.reports.selection import Cell, LeftOut
from rl_coordconv.statistics import Interval, Verdict

DEFAULT_BASELINE = "cnn"
MAX_MARGIN = 100.0
MAX_RESAMPLES = 1_000_000
MAX_BOOTSTRAP_SEED = 2**64 - 1


@dataclass(frozen=True)
class Options:
    """How runs are compared.

    Attributes:
        baseline: the arm that the others are measured against.
        margin: what counts as similar, in parts of the baseline's gain over the random agent.
        confidence: of every interval.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        select_seeds: seeds that each arm's hyperparameters are chosen on, and that are in no
            verdict; empty where every setting is compared for itself.
        bounds: scores that stand for 0 and 1 where several games are summed up, by the game's
            name; they take the place of a random agent's and a human's.
    """

    baseline: str = DEFAULT_BASELINE
    margin: float = 0.1
    confidence: float = 0.95
    seed: int = 0
    resamples: int = 2000
    select_seeds: tuple[int, ...] = ()
    bounds: Mapping[str, ReferenceScores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.margin <= MAX_MARGIN:
            raise InputError(f"margin {self.margin} is not above 0 and at most {MAX_MARGIN:g}")
        if not 0.5 < self.confidence < 1:
            raise InputError(f"confidence {self.confidence} is not between 0.5 and 1")
        if not 100 <= self.resamples <= MAX_RESAMPLES:
            raise InputError(
                f"resamples {shown(self.resamples)} is not at least 100 and at most "
                f"{MAX_RESAMPLES:,}"
            )
        if not 0 <= self.seed <= MAX_BOOTSTRAP_SEED:
            raise InputError(f"seed {shown(self.seed)} is not at least 0 and below 2**64")

    def reference(self, game: str) -> ReferenceScores | None:
        """Return the scores that stand for 0 and 1 on a game; None where there are none."""
        return self.bounds.get(game) or reference_scores().get(game)

    def rng(self) -> np.random.Generator:
        """Return a fresh generator, so that no interval depends on those computed before it."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Against:
    """One arm beside another on one game.

    Attributes:
        other: the arm that it is compared with.
        seeds: the seeds that both have finished.
        differences: (pairs,) this arm's score less the other's, by seed.
        difference: their mean.
        improvement: the probability that a run of this arm beats a run of the other.
        p_value: of no difference; None where it cannot be told.
        adjusted_p: the same, adjusted after Holm for the number of games.
        verdict: the word.
        reason: why it is this word.
    """

    other: str
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    difference: Interval | None
    improvement: Interval | None
    p_value: float | None
    adjusted_p: float | None
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class ArmOnGame:
    """One arm on one game.

    Attributes:
        arm: its name.
        extractor: its extractor's name, which chooses the colour.
        runs: the runs that count, by seed.
        scores: (runs,) mean raw return of the last training games within the budget.
        score: their mean.
        evaluation: mean raw score of the evaluations after training; None without one.
        elsewhere: the same in regions that training left out, by the region.
        area: mean height of the learning curve up to the budget; None without one.
        reached: (runs,) agent steps to the threshold; infinite where it was not reached.
        against: this arm beside the others.
    """

    arm: str
    extractor: str
    runs: tuple[Run, ...]
    scores: tuple[float, ...]
    score: Interval | None
    evaluation: float | None
    area: float | None
    reached: tuple[float, ...]
    elsewhere: Mapping[str, float] = field(default_factory=dict)
    against: tuple[Against, ...] = ()

    @property
    def n(self) -> int:
        """How many runs count."""
        return len(self.runs)

    @property
    def steps_per_second(self) -> float | None:
        """Median over the runs of agent steps per second of training."""
        speeds = [run.num_timesteps / run.seconds for run in self.runs if run.seconds > 0]
        return float(np.median(speeds)) if speeds else None

    @property
    def seconds(self) -> float:
        """Seconds of training of all runs together."""
        return sum(run.seconds for run in self.runs)

    @property
    def parameters(self) -> int | None:
        """Numbers in the policy; None where no run tells."""
        return next((run.parameters for run in self.runs if run.parameters is not None), None)

    def versus(self, other: str) -> Against | None:
        """Return the comparison with an arm."""
        return next((against for against in self.against if against.other == other), None)


@dataclass(frozen=True)
class GameResult:
    """One agent on one game.

    Attributes:
        cell: its runs.
        random: the random agent's score; None where unknown.
        margin: differences smaller than this count as similar; None without a baseline.
        threshold: the score whose first crossing is timed; None without a baseline.
        arms: the baseline first.
        notes: what a reader must know before trusting the numbers.
        lower: what ``random`` is: the random agent's score, or a bound that was chosen.
    """

    cell: Cell
    random: float | None
    margin: float | None
    threshold: float | None
    arms: tuple[ArmOnGame, ...]
    notes: tuple[str, ...]
    lower: str = "random agent"


@dataclass(frozen=True)
class Tally:
    """The verdicts of one arm beside another over all games of an agent."""

    agent: str
    arm: str
    other: str
    counts: dict[Verdict, int]
    algorithm: str
    """The agent's, as presets name it."""

    @property
    def games(self) -> int:
        """On how many games."""
        return sum(self.counts.values())

    @property
    def words(self) -> str:
        """The counts, and beside them the CoordConv paper's where it has any."""
        counts = ", ".join(f"{verdict} on {self.counts[verdict]}" for verdict in Verdict)
        text = f"{counts} of {self.games} {'game' if self.games == 1 else 'games'}"
        paper = published_tally(self.arm, self.other, self.algorithm)
        return f"{text} (paper: {paper})" if paper else text

    @property
    def sentence(self) -> str:
        """The headline."""
        return f"{self.arm} vs {self.other}, {self.agent}: {self.words}"


@dataclass(frozen=True)
class Divergence:
    """How many of an arm's runs diverged, and what became of them, over all games of an agent.

    Attributes:
        agent: the agent's name.
        arm: the arm's name.
        runs: how many there are, finished or not.
        diverged: those whose training diverged at least once.
        retried: those of them that were trained again after it.
        counted: those of them that finished then and count in verdicts.
        lost: the names of those that ended by diverging, in words.
    """

    agent: str
    arm: str
    runs: int
    diverged: int
    retried: int
    counted: int
    lost: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What a reader must know of it."""
        text = f"{self.agent}, {self.arm}: {self.diverged} of {_runs(self.runs)} diverged"
        if self.lost:
            text += (
                f"; {len(self.lost)} ended so and {'count' if len(self.lost) > 1 else 'counts'} in "
                f"no verdict ({'; '.join(self.lost)})"
            )
        if self.retried:
            text += (
                f"; {self.retried} {'were' if self.retried > 1 else 'was'} trained again from an "
                f"earlier checkpoint on other games (in verdicts: {self.counted})"
            )
        return f"{text}. What is left has been selected for not diverging."


def _runs(count: int) -> str:
    return f"{count} {'run' if count == 1 else 'runs'}"


@dataclass(frozen=True)
class Comparison:
    """Everything that the report tells, but for the sums over the suite."""

    options: Options
    games: tuple[GameResult, ...]
    tallies: tuple[Tally, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    runs: tuple[Run, ...]
    divergences: tuple[Divergence, ...] = ()
    """Of every arm, where any run diverged."""
    unreadable: tuple[Unreadable, ...] = ()
    """Runs and descriptions that were set aside, and why."""
    selection: Selection | None = None
    """Which hyperparameters were chosen, where they were to be."""

    @property
    def agents(self) -> list[str]:
        """The agents' names."""
        return sorted({game.cell.agent for game in self.games})

    def games_of(self, agent: str) -> list[GameResult]:
        """Return an agent's games."""
        return [game for game in self.games if game.cell.agent == agent]
