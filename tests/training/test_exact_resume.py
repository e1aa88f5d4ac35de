"""A run that was stopped or killed and resumed ends as one that was not, to the last bit."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium
import own_envs
import pytest
import torch
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback

from rl_coordconv.envs import build_presentation, import_env
from rl_coordconv.runs import RunDirectory, read_metrics
from rl_coordconv.training import train as train_module
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train

# A row is logged at every rollout of PPO and at every hundredth of A2C.
TOTAL = {"talkative_a2c": 440, "small_a2c": 1280, "small_ppo": 640}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class RaiseAt(BaseCallback):
    """Send this process a signal at an agent step."""

    def __init__(self, step):
        super().__init__()
        self.at = step

    def _on_step(self):
        if self.num_timesteps >= self.at:
            signal.raise_signal(signal.SIGTERM)
            self.at = float("inf")
        return True


@pytest.fixture
def stop_at(monkeypatch):
    """Stop the next training at a step."""
    original = train_module.CheckLosses

    def arrange(step):
        def once():
            monkeypatch.setattr(train_module, "CheckLosses", original)
            return RaiseAt(step)

        monkeypatch.setattr(train_module, "CheckLosses", once)

    return arrange


def prepared(folder, game, preset, total=640, **options):
    config = resolve_run(
        game, agent=preset, extractor="coordconv", total_timesteps=total, eval_episodes=2,
        device="cpu", precision="fp32", **options,
    )  # fmt: skip
    return RunDirectory.create(config, folder)


def trained(run):
    console = Console(file=io.StringIO(), width=1000)
    return train(run, console, threads=1), console.file.getvalue()


def outcome(run):
    """All that a run leaves but times."""
    rows = [{key: value for key, value in row.items() if not key.startswith("time/")
             or key == "time/iterations"} for row in read_metrics(run.metrics_file)]  # fmt: skip
    episodes = [line.split(",")[:2] + line.split(",")[3:]
                for line in run.episodes_file.read_text().splitlines()[2:]]  # fmt: skip
    evaluation = json.loads(run.evaluation_file.read_text())
    weights = (run.path / "policy.safetensors").read_bytes()
    return {"rows": rows, "episodes": episodes, "evaluation": evaluation, "weights": weights}


def compare(whole, broken):
    one, other = outcome(whole), outcome(broken)
    assert one["rows"]
    assert other["rows"] == one["rows"]
    assert other["episodes"] == one["episodes"]
    assert other["evaluation"] == one["evaluation"]
    assert other["weights"] == one["weights"]


@pytest.mark.parametrize(
    ("preset", "stops"),
    [
        pytest.param("talkative_a2c", (130, 301), marks=pytest.mark.slow),
        ("small_ppo", (170, 401)),
    ],
)
def test_an_environment_of_ours(tmp_path, preset, stops, request, stop_at):
    total, preset = TOTAL[preset], request.getfixturevalue(preset)
    whole = prepared(tmp_path / "whole", "Aim", preset, total)
    assert trained(whole)[0] == 0
    broken = prepared(tmp_path / "broken", "Aim", preset, total)
    for step in stops:
        stop_at(step)
        assert trained(broken)[0] == 143
    code, said = trained(broken)
    assert code == 0
    assert "Resumed exactly." in said
    assert json.loads(broken.environment_file.read_text())["resumed"] == "exactly"
    assert broken.status().resumes == 2
    compare(whole, broken)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Corners-v0", {"frame_stack": 2, "normalize": {"norm_reward": True}}),
        ("Mixed-v0", {"max_episode_steps": 3}),
        ("Blind-v0", {"pixels": True, "grayscale": True, "resize": 44}),
        pytest.param(
            "ale_py:ALE/Pong-v5",
            {"grayscale": True, "resize": 84, "max_episode_steps": 60},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_environment_of_ones_own(tmp_path, name, shown, small_ppo, stop_at):
    presentation = build_presentation(shown, "the test")
    import_env(name)
    whole, broken = (prepared(tmp_path / part, name, small_ppo, env=presentation)
                     for part in ("whole", "broken"))  # fmt: skip
    assert trained(whole)[0] == 0
    stop_at(400)
    assert trained(broken)[0] == 143
    assert "Resumed exactly." in trained(broken)[1]
    compare(whole, broken)


DRIVER = Path(__file__).with_name("kill_driver.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
@pytest.mark.parametrize("preset", ["small_a2c", "small_ppo"])
def test_killed_at_any_moment(tmp_path, preset, request):
    """SIGKILL twenty times and more, also while a checkpoint is written."""
    total, preset = TOTAL[preset], request.getfixturevalue(preset)
    whole, broken = (prepared(tmp_path / part, "Aim", preset, total)
                     for part in ("whole", "broken"))  # fmt: skip
    assert trained(whole)[0] == 0
    driven = subprocess.run(
        [sys.executable, str(DRIVER), str(broken.path), "24", "7"], capture_output=True, text=True,
        check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=280,
    )  # fmt: skip
    assert driven.returncode == 0, driven.stderr
    told = json.loads(driven.stdout.splitlines()[-1])
    assert told["code"] == 0, driven.stderr
    assert told["killed"] >= 20
    assert told["while_saving"] >= 1
    assert not any(broken.checkpoints.glob(".*"))
    compare(whole, broken)


class Locked(own_envs.Corners):
    """Keeps a part of its state where Python does not see it."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode=render_mode)
        self.engine = iter(range(10**9))


gymnasium.register("Locked-v0", Locked)


@pytest.mark.parametrize("game", ["Locked-v0", "Pong"])
def test_where_it_cannot_be_saved_other_episodes_follow_and_the_run_says_so(
    tmp_path, game, small_ppo, stop_at
):
    env = build_presentation({}, "the test") if game == "Locked-v0" else None
    run = prepared(tmp_path, game, small_ppo, env=env).config()
    run = RunDirectory.create(run.model_copy(update={
        "preset": run.preset.model_copy(update={"n_timesteps": 96}),
        "evaluation": run.evaluation.model_copy(update={"episodes": 0}),
    }), tmp_path / "short")  # fmt: skip
    stop_at(40)
    assert trained(run)[0] == 143
    code, said = trained(run)
    assert code == 0
    reason = {"Locked-v0": "env.env.env.env.engine is a range_iterator, whose state Python does "
                           "not see",
              "Pong": "AtariVecEnv keeps its state outside of Python"}[game]  # fmt: skip
    assert f"Resumed with other episodes: {reason}." in said
    assert json.loads(run.environment_file.read_text())["resumed"].endswith(reason)
    steps = [row["step"] for row in read_metrics(run.metrics_file)]
    assert steps == [32, 64, 96, 96]
