"""The scripts as a user starts them: subprocesses, from a directory that is not the clone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from rl_coordconv._util.presets import preset_path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(SCRIPTS / name), *map(str, arguments)]


def clean_environment() -> dict[str, str]:
    """Return the environment without anything that would help to find the package."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return kept | {"OMP_NUM_THREADS": "1"}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> Path:
    data = yaml.safe_load(preset_path("agents", "agent", "ppo").read_text())
    data |= {"n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 1}
    path = tmp_path_factory.mktemp("preset") / "small.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.slow  # test_cli.py does the same in one process
def test_train_then_evaluate_then_curves(tmp_path, preset):
    result = run(
        script("train_atari.py", "--game", "Aim", "--extractor", "coordconv",
               "--agent", preset, "--total-timesteps", 1024, "--eval-episodes", 1),
        tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "Aim, small, coordconv, seed 0: done, 1,024 agent steps" in result.stdout
    folder = next((tmp_path / "runs").iterdir())
    assert (folder / "model.zip").is_file()

    result = run(script("evaluate.py", folder, "--episodes", 1), tmp_path)
    assert result.returncode == 0, result.stderr
    assert "played 1 episodes (sampled actions): raw score mean" in result.stdout

    result = run(script("curves.py", folder), tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "curves.png").is_file()


def test_a_wrong_name_is_one_line_and_code_2(tmp_path):
    result = run(script("train_atari.py", "--game", "Pogn"), tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: unknown game 'Pogn'; did you mean")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c_saves_and_resume_finishes(tmp_path, preset):
    command = script("train_atari.py", "--game", "Aim", "--agent", preset,
                     "--total-timesteps", 1_000_000, "--eval-episodes", 0)  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in out
    assert "train --resume runs/" in out
    folder = next((tmp_path / "runs").iterdir())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    done = yaml.safe_load((folder / "status.json").read_text())
    assert done["state"] == "interrupted"
    assert 0 < done["num_timesteps"] < 1_000_000

    # The rest of a million steps is too long for a test: shorten what was asked for.
    config["preset"]["n_timesteps"] = done["num_timesteps"] + 64
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    result = run(script("train_atari.py", "--resume", folder), tmp_path)
    assert result.returncode == 0, result.stderr
    finished = yaml.safe_load((folder / "status.json").read_text())
    assert finished["state"] == "done"
    assert finished["num_timesteps"] == done["num_timesteps"] + 64
    assert len((folder / "command.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_every_script_tells_its_flags(tmp_path, name):
    result = run(script(name, "--help"), tmp_path)
    assert result.returncode == 0, result.stderr
    assert "usage:" in result.stdout
