"""What a sweep will take, from training a little of it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rl_coordconv.errors import InputError
from rl_coordconv.experiments.sweep.local import LocalLauncher, outcome_of
from rl_coordconv.experiments.sweep.resources import Resources
from rl_coordconv.runs import EvaluationConfig, RunConfig, RunDirectory

SAMPLE_STEPS = 8_192
"""Agent steps that are trained to measure; a few seconds on two cores."""


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take on this machine."""

    seconds: float
    """Wall-clock time of training, without evaluations."""
    bytes: int
    """Disk space at the end."""
    speeds: dict[tuple[str, str], float]
    """Agent steps per second of one run, by agent and extractor, while others train beside it."""


def estimate(configs: list[RunConfig], resources: Resources) -> Estimate:
    """Train the first game a little with every agent and extractor, as many at a time as later.

    Args:
        configs: the runs that are still to be trained.
        resources: what each of them gets.

    Raises:
        InputError: a measured training failed.
    """
    samples: dict[tuple[str, str], RunConfig] = {}
    for config in configs:
        samples.setdefault((config.agent, config.extractor), config)
    speeds, sizes = {}, {}
    with tempfile.TemporaryDirectory(prefix="rl-coordconv-estimate-") as folder:
        for arm, config in samples.items():
            speeds[arm], sizes[arm] = _measure(config, resources, Path(folder) / "-".join(arm))
    seconds = sum(one.total_timesteps / speeds[one.agent, one.extractor] for one in configs)
    size = sum(sizes[one.agent, one.extractor] for one in configs)
    return Estimate(seconds / resources.jobs, size, speeds)


def _measure(config: RunConfig, resources: Resources, folder: Path) -> tuple[float, int]:
    """Return steps per second of one run, and the bytes its directory has."""
    steps = min(SAMPLE_STEPS, config.total_timesteps)
    short = config.model_copy(
        update={
            "preset": config.preset.model_copy(update={"n_timesteps": steps}),
            "evaluation": EvaluationConfig(episodes=0),
        }
    )
    launcher = LocalLauncher(resources)
    runs = [RunDirectory.create(short, folder / str(slot)) for slot in range(resources.jobs)]
    jobs = [launcher.start(run, slot) for slot, run in enumerate(runs)]
    try:
        for job, run in zip(jobs, runs, strict=True):
            outcome = outcome_of(job.wait())
            if outcome.kind != "ended":
                raise InputError(f"a training to measure failed: {run.status().error or outcome}")
    finally:
        for job in jobs:
            job.kill()
    statuses = [run.status() for run in runs]
    speed = sum(status.num_timesteps / status.training_seconds for status in statuses) / len(runs)
    size = sum(path.stat().st_size for path in runs[0].path.rglob("*") if path.is_file())
    return speed, size
