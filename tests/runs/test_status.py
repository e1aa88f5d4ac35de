"""status.json."""

import os
import time

import pytest

from rl_coordconv.errors import InputError
from rl_coordconv.runs import RunState, Status


def test_a_status_comes_back_with_a_fresh_heartbeat(tmp_path):
    path = tmp_path / "status.json"
    before = time.time()
    Status(state=RunState.RUNNING, num_timesteps=5, total_timesteps=9, resumes=2).save(path)
    status = Status.load(path)
    assert (status.state, status.num_timesteps, status.total_timesteps, status.resumes) == (
        RunState.RUNNING, 5, 9, 2,
    )  # fmt: skip
    assert before <= status.heartbeat <= time.time()
    assert status.pid == os.getpid()


def test_no_file_means_not_begun(tmp_path):
    assert Status.load(tmp_path / "status.json").state is RunState.PENDING


def test_a_state_that_does_not_exist_is_refused(tmp_path):
    path = tmp_path / "status.json"
    path.write_text('{"state": "sleeping"}')
    with pytest.raises(InputError, match="sleeping"):
        Status.load(path)
