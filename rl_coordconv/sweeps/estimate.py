"""Cost estimate of a sweep, from training a little of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import EvaluationConfig, RunConfig, RunDirectory
from rl_coordconv.runs.precision import Decision
from rl_coordconv.sweeps.precision import save_decision_for_run
from rl_coordconv.sweeps.supervisor import Job, Launcher

SAMPLE_STEPS = 8_192
"""Agent steps that are trained to measure; a few seconds on two cores."""


MOST_AT_A_TIME = 16
"""Trainings that are measured beside each other; a larger cluster tells nothing more by more."""
_LOOK_SECONDS = 0.1
_COSTLY = {"n_envs", "n_steps", "n_epochs", "batch_size"}
"""Hyperparameters that decide how fast a training is."""


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take where it was measured."""

    seconds: float
    """Wall-clock time of training, without evaluations."""
    bytes: int
    """Disk space at the end."""
    speeds: dict[tuple[str, str], float]
    """Agent steps per second of one run, by agent (with what decides its speed, where a grid varies
    that) and extractor, while others train beside it."""


def estimate(
    configs: list[RunConfig], launcher: Launcher, decision: Decision | None = None
) -> Estimate:
    """Train the first game a little with every agent and extractor, as many at a time as later.

    It happens where the sweep would happen, in a temporary directory.

    Args:
        configs: the runs that are still to be trained.
        launcher: where, and how many at a time.
        decision: the precision of all of them, where one is decided.

    Raises:
        InputError: a measured training failed.
    """
    names = [(name, one.extractor) for name, one in zip(speed_names(configs), configs, strict=True)]
    samples: dict[tuple[str, str], RunConfig] = {}
    for name, config in zip(names, configs, strict=True):
        samples.setdefault(name, config)
    jobs = min(launcher.jobs, len(configs))
    speeds, sizes = {}, {}
    with tempfile.TemporaryDirectory(prefix="rl-coordconv-estimate-") as folder:
        for number, (arm, config) in enumerate(samples.items()):
            place = Path(folder) / str(number)
            runs = [_short(config, place / str(slot)) for slot in range(min(jobs, MOST_AT_A_TIME))]
            for run in runs:
                save_decision_for_run(decision, run)
            _train(runs, launcher)
            speeds[arm], sizes[arm] = _speed(runs), _size(runs[0].path)
    totals = [one.total_timesteps for one in configs]
    seconds = sum(total / speeds[name] for total, name in zip(totals, names, strict=True))
    size = sum(sizes[name] for name in names)
    return Estimate(seconds / jobs, size, speeds)


def speed_names(configs: Sequence[RunConfig]) -> list[str]:
    """Name each run's agent, with those of its hyperparameters that a grid varies and speed
    depends on."""
    presets: dict[str, list[dict[str, Any]]] = {}
    for config in configs:
        presets.setdefault(config.agent, []).append(config.preset.model_dump(include=_COSTLY))
    varied = {
        agent: [key for key in sorted(found[0]) if any(one[key] != found[0][key] for one in found)]
        for agent, found in presets.items()
    }
    return [
        ", ".join([one.agent, *(f"{key} {getattr(one.preset, key)}" for key in varied[one.agent])])
        for one in configs
    ]


def _short(config: RunConfig, folder: Path) -> RunDirectory:
    steps = min(SAMPLE_STEPS, config.total_timesteps)
    short = config.model_copy(
        update={
            "preset": config.preset.model_copy(update={"n_timesteps": steps}),
            "evaluation": EvaluationConfig(episodes=0),
        }
    )
    return RunDirectory.create(short, folder)


def _train(runs: list[RunDirectory], launcher: Launcher) -> None:
    jobs: list[Job] = []
    try:
        jobs += [launcher.start(run, slot) for slot, run in enumerate(runs)]
        for job, run in zip(jobs, runs, strict=True):
            while (outcome := job.poll()) is None:
                time.sleep(_LOOK_SECONDS)
            if outcome.kind != "ended":
                raise InputError(f"a training to measure failed: {run.status().error or outcome}")
    finally:
        for job in jobs:
            job.kill()


def _speed(runs: list[RunDirectory]) -> float:
    """Return the mean of some runs' agent steps per second."""
    statuses = [run.status() for run in runs]
    return sum(status.num_timesteps / status.training_seconds for status in statuses) / len(runs)


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
