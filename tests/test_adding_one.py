"""One of each kind, added from outside the package by one line: nothing here compares names."""

from io import StringIO
from typing import Any, Literal

import pytest
import stable_baselines3
import yaml
from own_envs import Corners
from rich.console import Console
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import NatureCNN
from stable_baselines3.common.vec_env import DummyVecEnv

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.presets import preset_path
from rl_coordconv.agents import A2C, ALGORITHMS, AlgorithmSpec, register_algorithm
from rl_coordconv.agents.a2c import A2CPreset
from rl_coordconv.agents.presets import PRESET_TYPES
from rl_coordconv.cli import main
from rl_coordconv.envs import FAMILIES, EnvFamily, EnvSpec, ReferenceScores
from rl_coordconv.extractors import EXTRACTORS, ExtractorSpec, Role, register_extractor
from rl_coordconv.runs import RunDirectory, RunState
from rl_coordconv.sweeps.backends import BACKENDS, BackendSpec, register_backend
from rl_coordconv.sweeps.supervisor import Outcome
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


class ReversedA2C(A2C):
    """Another algorithm, as far as the library can tell."""


class ReversedPreset(A2CPreset):
    algorithm: Literal["reversed"]  # type: ignore[assignment]
    patience: int = 3

    def sb3_kwargs(self) -> dict[str, Any]:
        kwargs = super().sb3_kwargs()
        del kwargs["patience"]
        return kwargs


def make_corners(request):
    env = DummyVecEnv([lambda: Monitor(Corners())] * request.n_envs)
    if request.seed is not None:
        env.seed(request.seed)
    return env


def find_corners(name):
    if name.casefold() != "four corners":
        return None
    return EnvSpec("Four Corners", make_corners, lambda _: (_space(), None), lambda _: 5.0,
                   reference=ReferenceScores(random=1.25, human=5.0))  # fmt: skip


def _space():
    space = Corners().observation_space
    return type(space)(0, 255, (space.shape[2], *space.shape[:2]), space.dtype)


@pytest.fixture(autouse=True)
def _registries():
    """Give every registry back as it was."""
    before = [dict(one) for one in (ALGORITHMS, PRESET_TYPES, EXTRACTORS, BACKENDS)]
    yield
    for registry, old in zip((ALGORITHMS, PRESET_TYPES, EXTRACTORS, BACKENDS), before, strict=True):
        registry.clear()
        registry.update(old)


@pytest.fixture
def preset(tmp_path):
    values = yaml.safe_load(preset_path("agents", "agent", "a2c").read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values | {"algorithm": "reversed", "n_envs": 2, "patience": 5}))
    return str(path)


def test_an_algorithm_an_environment_and_an_extractor_train_together(tmp_path, preset, monkeypatch):
    with pytest.raises(InputError, match="unknown algorithm 'reversed'.*allowed: a2c, ppo"):
        resolve_run("Pong", agent=preset)
    register_algorithm(
        AlgorithmSpec("reversed", ReversedPreset, ReversedA2C, stable_baselines3.A2C, ("loss",))
    )
    monkeypatch.setattr("rl_coordconv.envs.making.FAMILIES",
                        [*FAMILIES, EnvFamily(find_corners, lambda: ["Four Corners"])])  # fmt: skip
    register_extractor(ExtractorSpec("mine", NatureCNN, role=Role.BASELINE,
                                     options=("features_dim",), colour="#123456"))  # fmt: skip
    with pytest.raises(UnknownNameError, match="did you mean 'Four Corners'"):
        resolve_run("Four Corner", agent=preset)
    config = resolve_run(
        "four corners", agent=preset, extractor="mine", extractor_kwargs={"features_dim": 8},
        total_timesteps=40, eval_episodes=2, device="cpu", precision="fp32",
    )  # fmt: skip
    assert config.preset == ReversedPreset(**config.preset.model_dump())
    assert config.preset.patience == 5
    assert config.environment.steps_per_second(None) == 5.0
    run = RunDirectory.create(config, tmp_path / "runs")
    assert run.config() == config  # read back from its file
    assert run.path.name.startswith("Four_Corners-mine-mine-seed0-")
    assert train(run, Console(file=StringIO())) == 0
    assert run.status().state is RunState.DONE
    assert run.status().num_timesteps == 40


class Elsewhere:
    """A launcher that has every run trained already."""

    jobs = 1

    def start(self, run, slot):
        run.status().model_copy(update={"state": RunState.DONE}).save(run.status_file)
        return self

    def poll(self):
        return Outcome("ended")

    def find_precisions(self, configs):
        return []

    def describe(self):
        return "elsewhere"

    def close(self):
        pass


def test_a_backend_carries_out_a_sweep(tmp_path, capsys):
    command = "sweep --games Aim --agents ppo-aim --extractors cnn --precision fp32".split()
    command += ["--seeds", "2", "--output", str(tmp_path / "s"), "--backend"]
    assert main([*command, "elsewher"]) == 2
    assert "unknown backend 'elsewher' (allowed: local, ray, slurm)" in capsys.readouterr().err
    register_backend(BackendSpec("elsewhere", {"jobs": None}, lambda *_: Elsewhere()))
    assert main([*command, "elsewher"]) == 2
    assert "did you mean 'elsewhere'?" in capsys.readouterr().err
    assert main([*command, "elsewhere"]) == 0
    assert "2 done of 2 runs" in capsys.readouterr().out


def test_a_flag_of_another_backend_is_refused(tmp_path, capsys):
    command = ["sweep", "--games", "Aim", "--output", str(tmp_path / "s")]
    assert main([*command, "--gpus-per-run", "0.5"]) == 2
    assert (
        "--gpus-per-run 0.5 is about --backend ray or slurm, not local" in capsys.readouterr().err
    )


def test_a_backend_either_launches_or_submits():
    for ways in ({}, {"launch": lambda *_: Elsewhere(), "submit": lambda *_: 0}):
        with pytest.raises(ValueError, match="must either launch or submit"):
            BackendSpec("mine", {}, **ways)


def test_a_backend_that_submits_is_handed_the_sweep(tmp_path, capsys):
    taken = []
    register_backend(BackendSpec("scheduler", {}, submit=lambda *all: taken.append(all) or 7))
    assert main(["sweep", "--games", "Aim", "--output", str(tmp_path / "s"), "--backend",
                 "scheduler"]) == 7  # fmt: skip
    ((config, directory, values, _),) = taken
    assert (config.games, directory.path, values["retries"]) == (("Aim",), tmp_path / "s", 3)
    assert not directory.path.exists()
