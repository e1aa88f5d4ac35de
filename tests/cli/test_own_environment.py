"""An environment and an extractor that this repository has never seen, from train to compare."""

import json
import signal
import subprocess
import time

import pytest
import yaml
from commands import ROOT, command, environment, run, write_small_preset

from rl_coordconv.cli import main

ENV = (ROOT / "tests" / "envs" / "own_envs.py").read_text(encoding="utf8")
NETS = '''
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class Means(BaseFeaturesExtractor):
    """Means over quarters of the image, and a layer."""

    def __init__(self, observation_space, features_dim=16, cells=2):
        super().__init__(observation_space, features_dim)
        self.pool = torch.nn.AdaptiveAvgPool2d(cells)
        self.linear = torch.nn.Linear(observation_space.shape[0] * cells**2, features_dim)

    def forward(self, images):
        return self.linear(self.pool(images).flatten(1)).relu()
'''


@pytest.fixture
def place(tmp_path):
    """A folder with a package of one's own, and a small preset."""
    package = tmp_path / "somebodys_package"
    package.mkdir()
    (package / "__init__.py").write_text(ENV)
    (package / "nets.py").write_text(NETS)
    write_small_preset(tmp_path)
    return tmp_path


ID = "somebodys_package:Corners-v0"
TRAIN = ("train", "--env", ID, "--agent", "small.yaml", "--precision", "fp32", "--device", "cpu")


def test_it_trains_is_killed_resumed_and_evaluated(place, monkeypatch, capsys):
    arm = "somebodys_package.nets:Means(cells=4)"
    arguments = [*TRAIN, "--extractor", arm, "--total-timesteps", 100_000, "--eval-episodes", 2]
    process = subprocess.Popen(
        command(*arguments), cwd=place, env=environment(place), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(place.glob("runs/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (
        f"{ID} observes images of 40 x 40 pixels in 3 channels, uint8; actions: Discrete(4)" in out
    )
    (folder,) = (place / "runs").iterdir()
    assert folder.name.startswith(
        "somebodys_package_Corners-v0-small-somebodys_package.nets_Means-"
    )
    assert f"train --resume runs/{folder.name} --trust" in out

    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["extractor_kwargs"] == {"cells": 4}
    done = json.loads((folder / "status.json").read_text())["num_timesteps"]
    config["preset"]["n_timesteps"] = done + 64  # the rest is too long for a test
    (folder / "config.yaml").write_text(yaml.safe_dump(config))

    monkeypatch.chdir(place)
    for what, refused in (
        (f"environment '{ID}'", ["train", "--resume", str(folder)]),
        (f"extractor '{arm.partition('(')[0]}'", ["evaluate", str(folder)]),
    ):
        assert main(refused) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: {what} is code from outside")
        assert "--trust" in said
    resumed = run(place, "train", "--resume", folder, "--trust")
    assert resumed.returncode == 0, resumed.stderr
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["num_timesteps"]) == ("done", done + 64)
    assert len(json.loads((folder / "evaluation.json").read_text())["returns"]) == 2

    played = run(place, "evaluate", folder, "--episodes", 1, "--trust")
    assert played.returncode == 0, played.stderr
    assert "played 1 episodes" in played.stdout


@pytest.mark.slow
def test_it_is_swept_over_arms_and_compared(place):
    (place / "env.yaml").write_text("grayscale: true\nframe_stack: 2\nvec_env: subproc\n")
    swept = run(place, "sweep", "--env", ID, "--env-file", "env.yaml", "--agents", "small.yaml",
                "--extractors", "cnn", "placebo", "coordconv(with_r=true)",
                "somebodys_package.nets:Means", "--seeds", 3, "--total-timesteps", 1024,
                "--eval-episodes", 1, "--precision", "fp32", "--device", "cpu", "--output",
                "sweep")  # fmt: skip
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "12 done of 12 runs" in swept.stdout
    compared = run(place, "compare", "sweep")
    assert compared.returncode == 0, compared.stderr
    for arm in ("coordconv(with_r=true)", "somebodys_package.nets:Means", "placebo"):
        assert f"{arm} vs cnn, small: better on" in compared.stdout
    assert "coordconv(with_r=true) vs placebo, small" in compared.stdout
    # From a file the same needs trust; then nothing is left to do.
    refused = run(place, "sweep", "sweep/sweep.yaml", "--output", "sweep")
    assert refused.returncode == 2
    assert "is code from outside" in refused.stderr
    again = run(place, "sweep", "sweep/sweep.yaml", "--output", "sweep", "--trust")
    assert again.returncode == 0, again.stderr
    assert "begins" not in again.stdout
    assert "12 done of 12 runs" in again.stdout


@pytest.mark.parametrize(("arguments", "words"), [
    (("--game", "Pong", "--env", "Corners-v0"), "one run, one environment"),
    (("--env-kwargs", "size=3"), "--env-kwargs is about --env, which is not given"),
    (("--game", "Pong", "--env-file", "x.yaml"), "--env-file is about --env, which is not given"),
    (("--env", "no_such_package:X-v0"), "no module 'no_such_package' to import"),
    (("--env", "CartPole-v1"), "an image is needed"),
    (("--env", "CartPole-v1", "--env-file", "x.yaml"), "environment's file x.yaml does not exist"),
    (("--env", "CartPole-v1", "--protocol", "machado"), "'CartPole-v1' has no protocol 'machado'"),
    (("--game", "Pong", "--extractor", "no_such.nets:X"), "no module 'no_such' to import"),
    (("--game", "Pong", "--extractor", "coordconv(with_r=true)", "--extractor-kwargs",
      "with_r=false"), "option 'with_r' is given in --extractor and in --extractor-kwargs"),
    (("--game", "Pong", "--extractor", "coordconv(with_r"), "is not of the form"),
])  # fmt: skip
def test_a_mistake_is_one_line_before_anything_is_made(
    arguments, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
