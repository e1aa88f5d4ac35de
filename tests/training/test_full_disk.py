"""A disk that is full: checkpoints are left out, the status stays true, and nothing is lost."""

import os
import subprocess
from io import StringIO

import pytest
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback

from rl_coordconv.runs import RunDirectory, RunState, read_metrics
from rl_coordconv.training import train as train_module
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.5 MB: more than the small files of a run need, less than a checkpoint."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1536k", "none", str(place)]
    if os.name != "posix" or subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def enlarge(place):
    subprocess.run(["mount", "-o", "remount,size=60m", str(place)], check=True)


def prepared(folder, preset):
    config = resolve_run(
        "Aim", agent=preset, extractor="coordconv", extractor_kwargs={"features_dim": 16},
        total_timesteps=160, eval_episodes=1, device="cpu", precision="fp32",
    )  # fmt: skip
    return RunDirectory.create(config, folder)


def quiet():
    return Console(file=StringIO())


def test_checkpoints_are_left_out_and_the_end_is_told(small_disk, small_ppo, monkeypatch):
    monkeypatch.setattr(train_module, "CHECKPOINT_SECONDS", 0.0)
    run = prepared(small_disk, small_ppo)
    with (
        pytest.warns(UserWarning, match="no checkpoint was written: .*No space left") as warned,
        pytest.raises(OSError, match="No space left on device.*state.pt"),
    ):
        train(run, quiet())
    assert len([one for one in warned if "no checkpoint" in str(one.message)]) == 4
    status = run.status()
    assert status.state is RunState.FAILED
    assert "No space left on device" in status.error
    assert [row["step"] for row in read_metrics(run.metrics_file)] == [32, 64, 96, 128, 160, 160]
    enlarge(small_disk)
    assert train(run, quiet()) == 0
    assert run.status().state is RunState.DONE


class FillAt(BaseCallback):
    """Fill the disk at a step, to the last byte."""

    only_watches = True

    def __init__(self, step, place):
        super().__init__()
        self.at, self.place = step, place

    def _on_step(self):
        if self.num_timesteps == self.at:
            with (self.place / "filler").open("wb", buffering=0) as file:
                for size in (65536, 1):
                    try:
                        while True:
                            file.write(b"x" * size)
                    except OSError:
                        pass
        return True


def test_a_disk_that_fills_in_the_middle_leaves_a_true_status(small_disk, small_ppo, monkeypatch):
    enlarge(small_disk)
    original = train_module.CheckLosses

    def filling():
        monkeypatch.setattr(train_module, "CheckLosses", original)
        return FillAt(70, small_disk)

    run = prepared(small_disk, small_ppo)
    run_longer = run.config().model_copy(update={
        "preset": run.config().preset.model_copy(update={"n_timesteps": 960})
    })  # fmt: skip
    run = RunDirectory.create(run_longer, small_disk)
    monkeypatch.setattr(train_module, "CheckLosses", filling)
    with pytest.raises(OSError, match="No space left on device"):
        train(run, quiet())
    status = run.status()
    assert status.state is RunState.FAILED
    assert "No space left on device" in status.error
    (small_disk / "filler").unlink()
    assert train(run, quiet()) == 0
    assert run.status().state is RunState.DONE
    steps = [row["step"] for row in read_metrics(run.metrics_file)]
    assert steps[:-1] == list(range(32, 992, 32))
