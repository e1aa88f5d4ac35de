"""The command line: flags, refusals in one line, exit codes."""

import json
import shutil
from pathlib import Path

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.presets import preset_path
from rl_coordconv.cli import main
from rl_coordconv.cli.options import parse_options
from rl_coordconv.version import __version__


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("train", "sweep", "compare", "evaluate", "curves", "benchmark"):
        assert f"  {command}" in text


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rl-coordconv {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train' or 'track'?"),
        (["train"], "--game is needed"),
        (["train", "--game", "Pogn"], "Pong"),
        (["train", "--game", "Pong", "--extractor", "coordcon"], "did you mean 'coordconv'"),
        (["train", "--game", "Pong", "--extractor-kwargs", "with_r"], "not of the form KEY=VALUE"),
        (["train", "--game", "Pong", "--extractor-kwargs", "with_rr=true"], "with_r"),
        (["train", "--game", "Pong", "--agent", "mine.yaml"], "'mine.yaml' does not exist"),
        (["train", "--game", "Pong", "--n-envs", "3"], "batch_size 256 does not divide"),
        (["train", "--resume", "nowhere"], "is not a run directory"),
        (["train", "--resume", "nowhere", "--seed", "1"], "--seed 1 cannot be changed"),
        (["sweep", "--output", "nowhere"], "either a suite, games or an env, not none of them"),
        (["sweep", "--suite", "atari-6"], "'atari-5'"),
        (["sweep", "missing.yaml"], "missing.yaml does not exist"),
        (["sweep", "--games", "Pong", "--retries", "-1"], "--retries -1 is not at least 0"),
        (["sweep", "--games", "Pong", "--jobs", "0"], "jobs 0 is not at least 1"),
        (["sweep", "--games", "Pong", "--seeds", "0"], "seeds"),
        (["compare", "nowhere"], "nowhere is not a directory"),
        (["compare"], "no directory was given"),
        (["compare", "--import", "zoo"], "is not NAME=DIR"),
        (["evaluate", "nowhere"], "is not a run directory"),
        (["evaluate", "nowhere", "--episodes", "0"], "--episodes 0 is not at least 1"),
        (["curves", "nowhere"], "is not a run directory"),
        (["benchmark", "lyer"], "did you mean 'layer'"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_flag_is_refused_with_the_closest(capsys):
    assert main(["train", "--game", "Pong", "--total-timestep", "5"]) == 2
    assert capsys.readouterr().err == (
        "error: Unrecognized options: --total-timestep, 5; did you mean --total-timesteps?; "
        "train --help tells the flags\n"
    )


def test_options_are_read_as_yaml_scalars():
    pairs = ("with_r=true", "features_dim=256", "coordinate_init=zero", "gain=0.5")
    assert parse_options(pairs, example="with_r=true") == {
        "with_r": True, "features_dim": 256, "coordinate_init": "zero", "gain": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("pairs", [("a=1", "a=2"), ("=1",), ("a",), ("a=[1]",), ("a=",)])
def test_options_that_make_no_sense_are_refused(pairs):
    with pytest.raises(InputError):
        parse_options(pairs, example="with_r=true")


@pytest.mark.parametrize("name", ["[b]mine[/b]", "[/b]", "[red]", ":smile:", "{x}", "100%"])
def test_names_are_printed_as_they_are(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rl_coordconv.training.train.train", lambda *_, **__: 0)
    monkeypatch.setattr("rl_coordconv.sweeps.run.sweep", lambda *_, **__: 0)
    folder, agent = f"{name} runs", f"{name}.yaml"
    Path(agent).parent.mkdir(exist_ok=True)
    shutil.copy(preset_path("agents", "agent", "ppo"), agent)
    assert main(["train", "--game", "Pong", "--agent", agent, "--logdir", folder]) == 0
    text = capsys.readouterr().out
    run = next(Path(folder).iterdir())
    # A preset's file lends its name without folder and ending.
    assert (
        f"Pong, {Path(agent).stem}, coordconv, seed 0: 10,000,000 agent steps; files in {run}"
        in text
    )
    assert f"model     {run}/model.zip" in text
    assert main(["sweep", "--games", "Pong", "--agents", agent, "--output", folder]) == 0
    assert f"rl_coordconv compare {folder}" in capsys.readouterr().out


def test_train_evaluate_and_curves_in_a_row(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = (
        "--game Breakout --agent a2c --total-timesteps 1600 --n-envs 4 --eval-episodes 1 "
        "--device cpu --extractor-kwargs with_r=true"
    ).split()
    assert main(["train", *flags]) == 0
    text = capsys.readouterr().out
    run = next(path for path in (tmp_path / "runs").iterdir())
    assert f"model     runs/{run.name}/model.zip" in text
    assert "Breakout, a2c, coordconv, seed 0: done, 1,600 agent steps in" in text
    assert "raw score mean" in text

    assert main(["train", *flags]) == 0
    assert "already trained" in capsys.readouterr().out

    flags = "--episodes 2 --ablate-coordinates --output e.json".split()
    assert main(["evaluate", str(run), *flags]) == 0
    assert "taking the coordinates away cost" in capsys.readouterr().out
    outcome = json.loads((tmp_path / "e.json").read_text())
    assert len(outcome["intact"]["returns"]) == len(outcome["ablated"]["returns"]) == 2

    assert main(["curves", str(run), "--output", "curves.png"]) == 0
    assert "| Breakout | a2c | coordconv | 0 | 1,600 |" in capsys.readouterr().out
    assert (tmp_path / "curves.png").stat().st_size > 10_000
