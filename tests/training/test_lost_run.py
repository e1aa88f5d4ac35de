"""A training that stood still while another machine took its run up, or whose run was deleted."""

import io
import shutil

import pytest
from rich.console import Console

from rl_coordconv._util import leases
from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.runs.directory import RunLostError
from rl_coordconv.training import callbacks
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


@pytest.fixture
def run(tmp_path, small_ppo):
    config = resolve_run("Aim", agent=small_ppo, total_timesteps=320, device="cpu",
                         precision="fp32", eval_episodes=0)  # fmt: skip
    return RunDirectory.create(config, tmp_path)


def test_it_ends_and_writes_nothing_over(run, monkeypatch):
    monkeypatch.setattr(leases, "_SETTLE_SECONDS", 0.0)
    theirs = Status(state=RunState.RUNNING, num_timesteps=160, resumes=1)
    is_at_work = callbacks.SaveAndStop._on_rollout_start

    def stand_still(self):
        if self.num_timesteps == 64:
            (run.path / ".lease-000002").write_text("another machine's")
            theirs.save(run.status_file)
            stand_still.left = run.status_file.read_bytes()
            self._last_save = -1e9  # a checkpoint is due

        is_at_work(self)

    monkeypatch.setattr(callbacks.SaveAndStop, "_on_rollout_start", stand_still)
    monkeypatch.setattr(leases, "TRUSTED_SECONDS", 0.0)
    with pytest.raises(RunLostError, match="no longer this process's"):
        train(run, Console(file=io.StringIO()))
    assert run.status_file.read_bytes() == stand_still.left
    assert list(run.checkpoints.iterdir()) == []


@pytest.mark.parametrize("interval", [-1e9, None], ids=["checkpoint due", "at the end"])
def test_a_directory_deleted_in_the_middle_ends_it_and_is_not_made_anew(run, monkeypatch, interval):
    is_at_work = callbacks.SaveAndStop._on_rollout_start

    def delete(self):
        if self.num_timesteps == 64:
            shutil.rmtree(run.path)
            if interval is not None:
                self._last_save = interval
        is_at_work(self)

    monkeypatch.setattr(callbacks.SaveAndStop, "_on_rollout_start", delete)
    with pytest.raises(InputError, match="is gone: it was deleted while the run was trained"):
        train(run, Console(file=io.StringIO()))
    assert not run.path.exists()


def test_one_that_keeps_its_run_trains_to_the_end(run, monkeypatch):
    monkeypatch.setattr(leases, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(leases, "TRUSTED_SECONDS", 0.0)  # it is asked every time
    assert train(run, Console(file=io.StringIO())) == 0
    assert (run.status().state, run.status().num_timesteps) == (RunState.DONE, 320)
