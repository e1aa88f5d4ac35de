"""Runs that begin with another run's weights: what fits, what is recorded, what is told apart."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.numpy import load_file

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.portable import load_portable, read_checksum
from rl_coordconv.cli import main
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.training import train as train_module
from rl_coordconv.training.initial import FOLDER, initial_policy
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


@pytest.fixture(scope="module")
def source(tmp_path_factory, small_ppo) -> RunDirectory:
    """A run of 64 steps."""
    config = resolve_run("Aim", agent=small_ppo, total_timesteps=64, eval_episodes=0, device="cpu",
                         precision="fp32", extractor="coordconv")  # fmt: skip
    run = RunDirectory.create(config, tmp_path_factory.mktemp("source"))
    assert train(run, Console(file=StringIO())) == 0
    return run


def command(tmp_path, preset, *more):
    return ["train", "--game", "Aim", "--agent", preset, "--total-timesteps", "64", "--seed", "3",
            "--device", "cpu", "--precision", "fp32", "--eval-episodes", "0",
            "--logdir", str(tmp_path / "runs"), *more]  # fmt: skip


@pytest.fixture
def begun(monkeypatch):
    """Collect the weights that trainings begin with."""
    seen = []

    class Watching(train_module.CheckLosses):
        only_watches = True

        def _on_training_start(self):
            policy = self.model.policy
            seen.append({key: value.clone() for key, value in policy.state_dict().items()})

    monkeypatch.setattr(train_module, "CheckLosses", Watching)
    return seen


@pytest.mark.parametrize("extractor", ["coordconv", "placebo"])
def test_a_run_begins_with_them_and_remembers_it(tmp_path, small_ppo, source, begun, extractor,
                                                 capsys):  # fmt: skip
    place = str(source.path)
    assert main(command(tmp_path, small_ppo, "--extractor", extractor, "--from", place)) == 0
    assert f"begins with {source.path.name}" in capsys.readouterr().out
    [weights] = begun
    theirs = load_portable(source.path, "cpu").state_dict()
    assert all(torch.equal(weights[name], theirs[name]) for name in theirs)
    [path] = (tmp_path / "runs").iterdir()
    config = RunConfig.load(path / "config.yaml")
    assert config.initial_policy is not None
    assert config.initial_policy.run == source.path.name
    assert config.initial_policy.sha256 == read_checksum(source.path)
    ours = load_file(path / "policy.safetensors")
    assert any((ours[name] != theirs[name].numpy()).any() for name in ours)


def test_they_are_part_of_its_identity(source, small_ppo):
    plain = resolve_run("Aim", agent=small_ppo)
    same = resolve_run("Aim", agent=small_ppo, initial_policy=initial_policy(source.path))
    one = initial_policy(source.path)
    other = one.model_copy(update={"sha256": "0" * 64})
    hashes = {plain.hash, same.hash, resolve_run("Aim", agent=small_ppo, initial_policy=other).hash}
    assert len(hashes) == 3
    # Of a run that begins with random weights nothing is said, so that its hash is the old one.
    assert resolve_run("Pong", agent="ppo", extractor="cnn").hash == "d9427fe6"


def test_old_configurations_do_not_mention_them(tmp_path, source):
    assert "initial_policy" not in source.config_file.read_text()


def test_a_run_goes_on_without_its_source_and_not_with_other_weights(tmp_path, small_ppo, source,
                                                                    begun):  # fmt: skip
    gone = tmp_path / "gone"
    shutil.copytree(source.path, gone)
    assert main(command(tmp_path, small_ppo, "--from", str(gone))) == 0
    shutil.rmtree(gone)
    [path] = (tmp_path / "runs").iterdir()
    shutil.rmtree(path / "checkpoints")
    (path / "status.json").unlink()
    assert train(RunDirectory(path), Console(file=StringIO())) == 0
    assert all(torch.equal(begun[0][name], begun[1][name]) for name in begun[0])

    shutil.rmtree(path / "checkpoints")
    (path / "status.json").unlink()
    for name in ("policy.json", "policy.safetensors"):
        shutil.copy(path / name, path / FOLDER)
    with pytest.raises(InputError, match="holds other weights .sha256"):
        train(RunDirectory(path), Console(file=StringIO()))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--extractor", "cnn"],
         "features_extractor.cnn.0.weight is (32, 3, 8, 8) there and (32, 1, 8, 8) here"),
        (["--extractor-kwargs", "features_dim=16"],
         "features_extractor.linear.0.bias is (512,) there and (16,) here; "),
        (["--game", "Pong"], "(6, 512) here; features_extractor.cnn.0.weight is (32, 3, 8, 8) "
         "there and (32, 6, 8, 8) here; and 1 more"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_made(tmp_path, small_ppo, source, capsys,
                                                              more, message):  # fmt: skip
    words = command(tmp_path, small_ppo, "--from", str(source.path), *more)
    if "--game" in more:
        del words[1:3]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_is_no_source(tmp_path, small_ppo, source, capsys):
    fresh = RunDirectory.create(resolve_run("Aim", agent=small_ppo), tmp_path / "fresh")
    damaged = tmp_path / "damaged"
    shutil.copytree(source.path, damaged)
    Path(damaged, "policy.safetensors").write_bytes(b"x")
    for place, message in [("nowhere", "nowhere is not a run directory"),
                           (str(fresh.path), "policy.json is missing (status: pending)"),
                           (str(damaged), "does not match the checksum")]:  # fmt: skip
        assert main(command(tmp_path, small_ppo, "--from", place)) == 2
        assert message in capsys.readouterr().err
    resumed = ["train", "--resume", str(source.path), "--from", str(source.path)]
    assert main(resumed) == 2
    assert "--from" in (error := capsys.readouterr().err)
    assert "cannot be changed with --resume" in error


def test_reports_tell_such_runs_apart(tmp_path, small_ppo, source):
    runs = tmp_path / "runs"
    shutil.copytree(source.path, runs / source.path.name)
    config = resolve_run("Aim", agent=small_ppo, total_timesteps=64, device="cpu", precision="fp32",
                         initial_policy=initial_policy(source.path))  # fmt: skip
    RunDirectory.create(config, runs)
    comparison = gather([tmp_path], {}, Options(resamples=200))
    assert comparison.agents == [
        f"small-ppo, initial_policy {source.path.name} ({read_checksum(source.path)[:8]})",
        "small-ppo, initial_policy random",
    ]
