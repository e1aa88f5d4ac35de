"""Run directories with known scores, made of the real files."""

import json

import numpy as np
import pytest

from rl_coordconv.runs import Evaluation, RunDirectory, RunState, Status
from rl_coordconv.training.resolve import resolve_run

STEPS = 12_000
GAMES = 120


def judged(returns, **facts):
    """An evaluation with these returns."""
    values = {"game": "Pong", "num_timesteps": 1, "protocol": "deepmind", "deterministic": False,
              "seed": 0, "returns": list(returns), "lengths": [1] * len(returns),
              "mean": float(np.mean(returns)), "median": float(np.median(returns)),
              "std": float(np.std(returns)), "human_normalized_mean": None}  # fmt: skip
    return Evaluation(**(values | facts))


def write_run(
    folder,
    *,
    game="Pong",
    agent="ppo",
    extractor="cnn",
    seed=0,
    score=0.0,
    returns=None,
    steps=STEPS,
    state=RunState.DONE,
    error=None,
    divergences=0,
    divergence_retries=0,
    seconds=60.0,
    environment=None,
    evaluation=(),
    ratios=(),
    **options,
):
    """Write a run whose games end at even distances, each with ``score`` unless told otherwise."""
    options = {"total_timesteps": STEPS, "n_envs": 8} | options
    config = resolve_run(game, agent=agent, extractor=extractor, seed=seed, **options)
    run = RunDirectory.create(config, folder)
    returns = [score] * GAMES if returns is None else returns
    ends = (np.arange(1, len(returns) + 1) * steps) // max(len(returns), 1)
    rows = [f"{value},3000,1.0,{end}" for value, end in zip(returns, ends, strict=True)]
    if state is not RunState.PENDING:
        run.episodes_file.write_text("\n".join(["#{}", "r,l,t,step", *rows, ""]))
    Status(
        state=state,
        num_timesteps=steps,
        total_timesteps=config.total_timesteps,
        training_seconds=seconds,
        error=error,
        divergences=divergences,
        divergence_retries=divergence_retries,
    ).save(run.status_file)
    described = {"precision": "fp32", "packages": {"torch": "2.13.0"}} | (environment or {})
    run.environment_file.write_text(json.dumps(described))
    if evaluation:
        judged(evaluation, game=game, num_timesteps=steps).save(run.evaluation_file)
    key = "coordconv/features_extractor.cnn.0/coordinate_to_image_weight_norm"
    lines = [json.dumps({"step": step, key: ratio}) for step, ratio in ratios]
    run.metrics_file.write_text("".join(f"{line}\n" for line in lines))
    return run


@pytest.fixture(name="write_run", scope="session")
def _write_run():
    return write_run


@pytest.fixture(name="judged", scope="session")
def _judged():
    return judged


@pytest.fixture(name="write_arm", scope="session")
def _write_arm():
    """Write one run a score, with seeds 0, 1, 2, ..."""

    def write(folder, extractor, scores, **options):
        return [
            write_run(folder, extractor=extractor, seed=seed, score=score, **options)
            for seed, score in enumerate(scores)
        ]

    return write
