"""Evaluation during training: the Zoo's files, across interruptions, and an untouched training."""

import os
import signal
from io import StringIO

import numpy as np
import own_envs
import pytest
import torch
from rich.console import Console
from safetensors.numpy import load_file
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback

from rl_coordconv.envs import build_presentation
from rl_coordconv.runs import RunDirectory, RunState, read_metrics
from rl_coordconv.runs.evaluations import read_evaluations
from rl_coordconv.training import train as train_module
from rl_coordconv.training.periodic import kept_random_states
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


def start(folder, agent, **changes) -> RunDirectory:
    options = {"total_timesteps": 128, "eval_episodes": 0, "device": "cpu", "precision": "fp32"}
    return RunDirectory.create(resolve_run("Aim", agent=agent, **(options | changes)), folder)


def finish(run: RunDirectory) -> int:
    return train(run, Console(file=StringIO()))


class Interrupt(BaseCallback):
    """Stands in for `CheckLosses`, and asks to stop at an agent step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.at = step

    def _on_step(self) -> bool:
        if self.num_timesteps == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return True


@pytest.mark.parametrize("agent", ["small_ppo", "small_a2c"])
def test_the_files_of_the_zoo_and_the_same_weights_as_without(tmp_path, agent, request):
    preset = request.getfixturevalue(agent)
    plain, watched = start(tmp_path / "plain", preset), start(tmp_path / "watched", preset,
                           eval_freq=24, eval_freq_episodes=3)  # fmt: skip
    assert plain.config().hash == watched.config().hash
    assert finish(plain) == finish(watched) == 0

    # Each environment's steps are whole: PPO's are 2, A2C's 4.
    total = watched.status().num_timesteps
    with np.load(watched.evaluations_file) as found:
        assert found["timesteps"].tolist() == list(range(24, total + 1, 24))
        rows = len(found["timesteps"])
        assert found["results"].shape == found["ep_lengths"].shape == (rows, 3)
        means = found["results"].mean(axis=1)
    logged = [(row["step"], row["eval/mean_reward"]) for row in read_metrics(watched.metrics_file)
              if "eval/mean_reward" in row]  # fmt: skip
    assert [step for step, _ in logged] == list(range(24, total + 1, 24))
    assert [value for _, value in logged] == pytest.approx(means.tolist())
    kind = PPO if agent == "small_ppo" else A2C
    best = kind.load(watched.best_model_file, device="cpu")
    assert best.num_timesteps == 24 * (1 + int(np.argmax(means)))
    assert not list(watched.path.glob(".*tmp*"))

    ours, theirs = (load_file(one.path / "policy.safetensors") for one in (plain, watched))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert not plain.evaluations_file.exists()
    assert not plain.best_model_file.exists()
    # The games are the same, too.
    games = [[line.split(",")[3] for line in one.episodes_file.read_text().splitlines()[2:]]
             for one in (plain, watched)]  # fmt: skip
    assert games[0] == games[1] != []


def test_a_resumed_run_goes_on_with_its_rows(tmp_path, small_ppo, monkeypatch):
    run = start(tmp_path, small_ppo, eval_freq=24, eval_freq_episodes=2)
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "CheckLosses", lambda: Interrupt(56))
        assert finish(run) == 130
    assert run.status().num_timesteps == 64
    before = read_evaluations(run.evaluations_file)
    assert [step for step, *_ in before] == [24, 48]
    # A row of steps that a crash has taken back, and one of them the best.
    np.savez(run.evaluations_file, timesteps=[24, 48, 72],
             results=[one[1] for one in before] + [[100.0, 100.0]],
             ep_lengths=[one[2] for one in before] + [[1, 1]])  # fmt: skip
    assert finish(run) == 0
    after = read_evaluations(run.evaluations_file)
    assert [step for step, *_ in after] == [24, 48, 72, 96, 120]
    assert after[:2] == before
    assert max(np.mean(one[1]) for one in after) < 100
    assert run.status().state is RunState.DONE


def test_scores_stay_raw_where_training_rewards_are_normalised(tmp_path, small_ppo):
    assert own_envs
    config = resolve_run(
        "Corners-v0", env=build_presentation({"normalize": {"norm_reward": True}}, "the test"),
        agent=small_ppo, total_timesteps=64, eval_episodes=0, device="cpu", precision="fp32",
        eval_freq=32, eval_freq_episodes=2,
    )  # fmt: skip
    run = RunDirectory.create(config, tmp_path)
    assert finish(run) == 0
    rows = read_evaluations(run.evaluations_file)
    assert [step for step, *_ in rows] == [32, 64]
    assert all(score == int(score) and 0 <= score <= 5 for _, returns, _ in rows
               for score in returns)  # fmt: skip


def test_a_damaged_file_is_begun_anew(tmp_path, small_ppo):
    path = tmp_path / "evaluations.npz"
    assert read_evaluations(path) == []
    for content in (b"", b"PK\x03\x04", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="evaluations.npz is damaged and begun anew"):
            assert read_evaluations(path) == []


def test_an_evaluation_ends_where_the_training_is_to_stop(tmp_path, small_ppo, monkeypatch):
    run = start(tmp_path, small_ppo, eval_freq=24, eval_freq_episodes=2)
    # Asked at the very step of an evaluation: the callback before it has just sent the signal.
    monkeypatch.setattr(train_module, "CheckLosses", lambda: Interrupt(48))
    assert finish(run) == 130
    assert [step for step, *_ in read_evaluations(run.evaluations_file)] == [24]


def test_every_generator_is_given_its_state_back():
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    with kept_random_states():
        torch.rand(5)
        np.random.rand(5)
    assert (torch.rand(1), np.random.rand()) == expected
