"""Runs on disk as plain facts: what was trained, what it scored, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.text import as_name, as_reason
from rl_coordconv.extractors.arms import arm_name
from rl_coordconv.reports.curves import WINDOW, trailing_mean
from rl_coordconv.runs import (
    Evaluation,
    RunConfig,
    RunDirectory,
    RunState,
    read_metrics,
)
from rl_coordconv.runs.environment import Environment, read_environment
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.runs.metrics import is_finite
from rl_coordconv.runs.policy import count_parameters
from rl_coordconv.runs.precision import describe_history
from rl_coordconv.runs.record import check_record

IMPORTED = "imported"
"""The state of a run that another program trained."""

WEIGHT_TAG = ("coordconv/", "/coordinate_to_image_weight_norm")
"""What stands before and after a layer's name in ``metrics.jsonl``."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One run as the report sees it.

    Attributes:
        path: its directory.
        game: the game's name.
        agent: the preset's name.
        arm: what is compared: the extractor with its options, or an import's name.
        extractor: the extractor's name alone, which chooses the colour.
        seed: its seed, or its number among an import's runs.
        state: ``status.json``'s, or `IMPORTED`.
        steps: (games,) agent steps of all environments at the end of each training game.
        returns: (games,) raw return of each of them.
        num_timesteps: agent steps trained.
        total_timesteps: agent steps asked for; 0 where unknown.
        averaged: whether ``returns`` are means over games already (TensorBoard).
        protocol: the protocol's name; None where unknown.
        seconds: of training; 0 where unknown.
        error: what ended a failed run.
        divergences: attempts that ended because the training diverged.
        divergence_retries: attempts that began after one that had.
        damaged: lines of its record of games that were left out because they are no rows.
        evaluation: (games,) raw scores of the evaluation after training.
        elsewhere: the same in regions that training left out, by the region.
        parameters: numbers in the whole policy; None where unknown.
        settings: what was chosen and what it ran on, for finding what differs between arms.
        precisions: of its steps, ``bf16`` or ``bf16, from step 9 on fp32``; empty
            where they are not recorded.
        extended: the totals that a run was given after it had begun, in words; empty where none.
        weights: of each CoordConv layer, (steps, ratio of coordinate to image weights).
        paired_weights: shapes of the initial weights that were drawn by name, by that name; None
            where it is not recorded.
        unpaired: names of parameters that kept their modules' own initial values.
        identity: the configuration's hash; runs that share it are the same run.
    """

    path: Path
    game: str
    agent: str
    arm: str
    extractor: str
    seed: int
    state: str
    steps: NDArray[np.int64]
    returns: Floats
    num_timesteps: int
    total_timesteps: int = 0
    averaged: bool = False
    protocol: str | None = None
    seconds: float = 0.0
    error: str | None = None
    divergences: int = 0
    divergence_retries: int = 0
    damaged: int = 0
    evaluation: tuple[float, ...] = ()
    elsewhere: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    parameters: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    precisions: str = ""
    extended: str = ""
    weights: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    paired_weights: Mapping[str, tuple[int, ...]] | None = None
    unpaired: tuple[str, ...] = ()
    identity: str = ""

    @property
    def usable(self) -> bool:
        """Whether the run counts in a verdict: its training ended as it was meant to."""
        return self.state in (RunState.DONE, IMPORTED) and len(self.steps) > 0

    @property
    def has_diverged(self) -> bool:
        """Whether its training diverged and was not tried again since."""
        return self.state == RunState.FAILED and self.divergences > self.divergence_retries

    @property
    def smoothed(self) -> Floats:
        """(games,) mean raw return of the last `WINDOW` games, of fewer at the beginning."""
        return self.returns if self.averaged else trailing_mean(self.returns, WINDOW)

    @property
    def label(self) -> str:
        """The run in words."""
        return f"{self.game}, {self.agent}, {self.arm}, seed {self.seed}"

    def games_within(self, budget: int) -> int:
        """Return how many games had ended after ``budget`` agent steps."""
        return int(np.searchsorted(self.steps, budget, side="right"))

    def score(self, budget: int) -> float:
        """Return the mean raw return of the last `WINDOW` games that ended within ``budget``.

        Of fewer where fewer had ended; NaN where none had.
        """
        ended = self.games_within(budget)
        return float(self.smoothed[ended - 1]) if ended else float("nan")


@dataclass(frozen=True)
class Unreadable:
    """A directory that looks like a run and cannot be read."""

    path: Path
    reason: str


def load_runs(paths: Sequence[Path]) -> tuple[list[Run], list[Unreadable]]:
    """Read run directories; one that cannot be read is reported rather than left out."""
    runs, unreadable = [], []
    for path in paths:
        try:
            runs.append(load_run(RunDirectory(path)))
        except InputError as error:
            unreadable.append(Unreadable(path, as_reason(str(error))))
        except Exception as error:  # whatever is wrong with one run, the others are reported
            unreadable.append(Unreadable(path, as_reason(f"{type(error).__name__}: {error}")))
    return runs, unreadable


def load_run(directory: RunDirectory) -> Run:
    """Read one run directory.

    Raises:
        InputError: its configuration is missing or not valid, a file of it is damaged, or lacks
            what it had when it was saved.
    """
    config, status = directory.config(), directory.status()
    check_record(directory, status.state)
    episodes = read_episodes(directory.episodes_file)
    environment = read_environment(directory.environment_file)
    evaluation = Evaluation.load(directory.evaluation_file)
    return Run(
        path=directory.path,
        game=as_name(config.game),
        agent=as_name(config.agent),
        arm=as_name(arm_name(*config.network)),
        extractor=as_name(config.network[0]),
        seed=config.seed,
        state=status.state.value,
        steps=episodes.steps,
        returns=episodes.returns,
        damaged=episodes.damaged,
        num_timesteps=status.num_timesteps,
        total_timesteps=config.total_timesteps,
        protocol=as_name(config.protocol.name) if config.protocol else None,
        seconds=status.training_seconds,
        error=None if status.error is None else as_reason(status.error),
        divergences=status.divergences,
        divergence_retries=status.divergence_retries,
        evaluation=tuple(evaluation.returns) if evaluation else (),
        elsewhere=_elsewhere(evaluation),
        parameters=count_parameters(directory),
        settings=_settings(config, environment),
        precisions=describe_history(environment.history),
        extended=_extended(config),
        weights=_weights(directory.metrics_file),
        paired_weights=environment.paired_weights,
        unpaired=environment.unpaired_parameters,
        identity=config.hash,
    )


def _elsewhere(evaluation: Evaluation | None) -> dict[str, tuple[float, ...]]:
    found = evaluation.elsewhere if evaluation else {}
    return {as_name(region): tuple(returns) for region, returns in found.items()}


def _settings(config: RunConfig, environment: Environment) -> dict[str, str]:
    """Collect what should be equal between runs that are compared."""
    chosen = config.model_dump(mode="json", include={"preset", "protocol", "initialization"})
    # An extended run is, until it was, the run that was asked for first; it is told of elsewhere.
    chosen["preset"]["n_timesteps"] = config.first_total
    initial = config.initial_policy
    chosen["initial_policy"] = f"{initial.run} ({initial.sha256[:8]})" if initial else "random"
    settings = _flatten(chosen)
    ran = dict(environment.machine)
    ran["precision"] = environment.precision or config.precision
    return settings | _flatten(ran)


def _extended(config: RunConfig) -> str:
    if not config.extensions:
        return ""
    totals = [one.from_total for one in config.extensions[1:]] + [config.total_timesteps]
    steps = [one.at_step for one in config.extensions]
    then = [f"at step {at:,} to {total:,}" for at, total in zip(steps, totals, strict=True)]
    return f"from {config.first_total:,} agent steps {', '.join(then)}"


def _flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[as_name(f"{prefix}{key}")] = as_name(_written(value))
    return flat


def _written(value: Any) -> str:
    return str(value) if isinstance(value, str) else shown(value)


def _weights(path: Path) -> dict[str, tuple[Floats, Floats]]:
    before, after = WEIGHT_TAG
    points: dict[str, list[tuple[float, float]]] = {}
    for row in read_metrics(path):
        for key, value in row.items():
            if key.startswith(before) and key.endswith(after) and is_finite(value):
                layer = as_name(key[len(before) : -len(after)])
                points.setdefault(layer, []).append((row["step"], value))
    columns = {layer: np.array(rows, np.float64).T for layer, rows in points.items()}
    return {layer: (steps, values) for layer, (steps, values) in columns.items()}
