"""Whole trainings that must learn, on the game in which position is what matters."""

import runpy
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rl_coordconv._util.reading import read_json
from rl_coordconv.runs import RunDirectory
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train

PAGE = Path(__file__).parents[2] / "docs" / "position-in-rl"
SHOTS = 16
CHANCE = SHOTS / 8


def trained(tmp_path, extractor: str, steps: int) -> tuple[float, float]:
    """Return the mean hits where the agent was trained and in the quadrant held out."""
    config = resolve_run(
        "Aim",
        agent="ppo-aim",
        extractor=extractor,
        extractor_kwargs={"pooling": "max"},
        total_timesteps=steps,
        eval_episodes=25,
        device="cpu",
        precision="fp32",
    )
    run = RunDirectory.create(config, tmp_path)
    assert train(run, Console(file=StringIO()), ["test"]) == 0
    evaluation = read_json(run.evaluation_file)
    return np.mean(evaluation["returns"]), np.mean(evaluation["elsewhere"]["held-out"])


@pytest.mark.slow
def test_with_coordinates_a_pooled_network_learns_where_the_target_is(tmp_path):
    seen, unseen = trained(tmp_path, "coordconv", 10_000)
    assert seen > 5 * CHANCE
    assert unseen > 2.5 * CHANCE  # without coordinates not even 2, see below


@pytest.mark.slow
@pytest.mark.parametrize("extractor", ["cnn", "placebo"])
def test_without_coordinates_it_does_not(tmp_path, extractor):
    seen, unseen = trained(tmp_path, extractor, 20_000)
    assert seen < 3 * CHANCE
    assert unseen < 2 * CHANCE


@pytest.mark.slow
def test_plain_stable_baselines3_learns_it_too():
    hits = runpy.run_path(str(PAGE / "plain_sb3.py"))["main"]("coordconv", "max")
    assert hits["train"] > 5 * CHANCE
    assert hits["held-out"] > 5 * CHANCE
