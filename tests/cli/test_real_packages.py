"""Environments of well-known packages: trained, killed, resumed, swept over two arms and compared.

``python -m pytest -m slow tests/cli/test_real_packages.py``, where ``minigrid``,
``gymnasium[box2d]``, ``vizdoom`` and ``crafter`` are installed; what is missing is skipped.
"""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

import pytest
import yaml
from commands import command, environment, run, write_small_preset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@dataclass(frozen=True)
class Case:
    """An environment of a package, and how it is presented."""

    package: str
    env: str
    observes: str
    file: dict = field(default_factory=dict)
    modules: tuple = ()  # what a user's own package imports to register it


CASES = {
    "minigrid": Case(
        "minigrid", "minigrid:MiniGrid-Empty-5x5-v0",
        "images of 56 x 56 pixels in 3 channels, uint8",
        {"env_wrapper": [{"minigrid.wrappers.RGBImgPartialObsWrapper": {"tile_size": 8}},
                         "minigrid.wrappers.ImgObsWrapper"],
         "max_episode_steps": 60},
    ),
    "carracing": Case(
        "Box2D", "CarRacing-v3",
        "images of 84 x 84 pixels in 4 channels, uint8 (grey, resized to 84 x 84, 4 steps stacked)",
        {"resize": 84, "grayscale": True, "frame_stack": 4, "vec_env": "subproc",
         "max_episode_steps": 100},
    ),
    "vizdoom": Case(
        "vizdoom", "vizdoom.gymnasium_wrapper:VizdoomBasic-v1",
        "screen: images of 240 x 320 pixels in 3 channels, uint8", {},
    ),
    "crafter": Case(
        "crafter", "somebodys_crafter:Crafter-v0",
        "images of 64 x 64 pixels in 3 channels, uint8", {"max_episode_steps": 100},
    ),
}  # fmt: skip

CRAFTER = '''
"""Crafter speaks an older interface than Gymnasium's; a user brings it into the registry so."""
import crafter
import gymnasium
import numpy as np


class Crafter(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self._make(0)
        self.observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(17)

    def _make(self, seed):
        self._env = crafter.Env(seed=seed, length=None)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self._make(seed % 2**31)
        return self._env.reset(), {}

    def step(self, action):
        observation, reward, done, info = self._env.step(int(action))
        return observation, float(reward), bool(done), False, {}

    def render(self):
        return self._env.render()


gymnasium.register("Crafter-v0", Crafter)
'''


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    chosen = CASES[request.param]
    pytest.importorskip(chosen.package)
    write_small_preset(tmp_path)
    if chosen.package == "crafter":
        (tmp_path / "somebodys_crafter.py").write_text(CRAFTER)
    (tmp_path / "env.yaml").write_text(yaml.safe_dump(chosen.file))
    return chosen


def shared(case):
    return ["--env", case.env, "--env-file", "env.yaml", "--trust", "--precision", "fp32",
            "--device", "cpu"]  # fmt: skip


def start(place, *arguments):
    return subprocess.Popen(
        command(*arguments), cwd=place, env=environment(place), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(condition, process, seconds=200):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def rows(place):
    return sum(len(file.read_text().splitlines()) for file in place.glob("runs/*/metrics.jsonl"))


def test_it_is_trained_interrupted_killed_and_resumed(case, tmp_path):
    process = start(tmp_path, "train", *shared(case), "--agent", "small.yaml",
                    "--total-timesteps", 100_000, "--eval-episodes", 1)  # fmt: skip
    wait_for(lambda: rows(tmp_path) >= 2, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 143, err
    assert case.observes in out
    (folder,) = (tmp_path / "runs").iterdir()
    saved = json.loads((folder / "status.json").read_text())["num_timesteps"]
    assert saved >= 64

    before = rows(tmp_path)
    process = start(tmp_path, "train", "--resume", folder, "--trust")
    wait_for(lambda: rows(tmp_path) >= before + 2, process)
    # With it the engines that VizDoom starts: they outlive it, and keep its pipes open.
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=100)

    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["preset"]["n_timesteps"] = saved + 128  # the rest is too long for a test
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    resumed = run(tmp_path, "train", "--resume", folder, "--trust", timeout=600)
    assert resumed.returncode == 0, resumed.stderr
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["num_timesteps"]) == ("done", saved + 128)
    steps = [json.loads(row)["step"] for row in (folder / "metrics.jsonl").read_text().splitlines()]
    # The last update is logged in a row of its own.
    assert steps[:-1] == list(range(64, saved + 129, 64))
    assert steps[-1] == saved + 128
    assert len(json.loads((folder / "evaluation.json").read_text())["returns"]) == 1


def test_it_is_swept_over_two_arms_and_compared(case, tmp_path):
    swept = run(tmp_path, "sweep", *shared(case), "--agents", "small.yaml", "--extractors", "cnn",
                "coordconv", "--seeds", 2, "--total-timesteps", 256, "--eval-episodes", 1,
                "--output", "sweep", timeout=900)  # fmt: skip
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "4 done of 4 runs" in swept.stdout
    compared = run(tmp_path, "compare", "sweep")
    assert compared.returncode == 0, compared.stderr
    assert "coordconv vs cnn, small: better on" in compared.stdout
    assert (tmp_path / "sweep" / "report.html").stat().st_size > 10_000
