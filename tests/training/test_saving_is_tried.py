"""What would fail at the end of a training fails before its first step."""

import pytest
import yaml
from rich.console import Console
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.torch_layers import NatureCNN

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import portable
from rl_coordconv.extractors import EXTRACTORS, ExtractorSpec
from rl_coordconv.runs import RunDirectory, RunState
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


class OwnCNN(NatureCNN):
    """An extractor that nobody told the portable format of."""


@pytest.fixture
def steps(monkeypatch):
    """Return the list of trainings that were begun."""
    begun = []
    monkeypatch.setattr(OnPolicyAlgorithm, "learn", lambda *_, **__: begun.append("learn"))
    return begun


@pytest.fixture
def prepared(tmp_path, small_ppo):
    def prepare(extractor="cnn"):
        config = resolve_run(
            "Aim", agent=small_ppo, extractor=extractor, total_timesteps=64, eval_episodes=0,
            precision="fp32", device="cpu",
        )  # fmt: skip
        return RunDirectory.create(config, tmp_path)

    return prepare


def check_nothing_was_done(run, steps):
    assert steps == []
    status = run.status()
    assert (status.state, status.num_timesteps) == (RunState.FAILED, 0)
    assert not run.metrics_file.exists()
    assert not run.episodes_file.exists()
    assert not list(run.path.glob(".*.zip"))
    return status.error


def test_an_extractor_that_the_portable_format_does_not_know(monkeypatch, prepared, steps):
    monkeypatch.setitem(EXTRACTORS, "own", ExtractorSpec("own", OwnCNN))
    monkeypatch.setattr(portable, "portable_classes", lambda: (NatureCNN,))
    run = prepared("own")
    with pytest.raises(InputError, match=r"OwnCNN cannot be saved without pickle \(allowed: .*Nat"):
        train(run, Console(quiet=True))
    assert "OwnCNN cannot be saved" in check_nothing_was_done(run, steps)


def test_a_disk_that_cannot_be_written(monkeypatch, prepared, steps):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OnPolicyAlgorithm, "save", full)
    run = prepared()
    with pytest.raises(OSError, match="No space left"):
        train(run, Console(quiet=True))
    assert "No space left" in check_nothing_was_done(run, steps)


def test_a_configuration_edited_by_hand_is_checked_before_anything_is_built(
    monkeypatch, prepared, steps
):
    run = prepared()
    data = yaml.safe_load(run.config_file.read_text())
    data["preset"]["n_envs"] = 2000
    run.config_file.write_text(yaml.safe_dump(data))

    def build(*_, **__):
        raise AssertionError("environments were built")

    monkeypatch.setattr("rl_coordconv.training.train.make_training_env", build)
    with pytest.raises(InputError, match="n_envs 2000 is not at most 1024"):
        train(run, Console(quiet=True))
    check_nothing_was_done(run, steps)
