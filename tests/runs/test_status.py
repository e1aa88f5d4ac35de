"""status.json."""

import errno
import os
import time

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunState, Status
from rl_coordconv.runs import status as status_module


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


def test_files_from_before_there_was_a_count_of_divergences_are_read(tmp_path):
    path = tmp_path / "status.json"
    path.write_text(
        '{"state": "failed", "num_timesteps": 5, "total_timesteps": 9, "resumes": 2, '
        '"training_seconds": 1.5, "heartbeat": 1.0, "pid": 3, "host": "a", '
        '"error": "ValueError: no", "traceback": null}'
    )
    status = Status.load(path)
    assert (status.divergences, status.divergence_retries, status.has_diverged) == (0, 0, False)
    assert (status.num_timesteps, status.resumes, status.error) == (5, 2, "ValueError: no")


@pytest.mark.parametrize(
    ("state", "divergences", "retries", "expected"),
    [("failed", 1, 0, True), ("failed", 2, 1, True), ("failed", 1, 1, False),
     ("running", 1, 1, False), ("done", 1, 1, False), ("failed", 0, 0, False)],
)  # fmt: skip
def test_a_divergence_that_was_answered_is_none_any_more(state, divergences, retries, expected):
    status = Status(state=state, divergences=divergences, divergence_retries=retries)
    assert status.has_diverged is expected


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\0" * 400, b"null", b"[]", b"7", b'{"state"', b'{"state": "done", "num',
     b"\xff\xfe", b"[" * 100_000, b'{"state": "done", "resumes": -1}',
     b'{"state": "done", "heartbeat": NaN}',
     b'{"state": "done", "num_timesteps": 1e999}', b'{"state": "done", "pid": "x"}',
     b'{"state": "done", "num_timesteps": 99999999999999999999}'],
)  # fmt: skip
def test_a_damaged_file_is_one_error_that_names_it_and_says_what_helps(tmp_path, content):
    path = tmp_path / "status.json"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"(?s)status\.json is .*without that file the run goes on"
    ):
        Status.load(path)


def test_on_a_full_disk_it_fits_into_its_block_whatever_the_error_says(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    Status(state=RunState.RUNNING).save(path)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(status_module, "write_json", full)
    Status(state=RunState.FAILED, error="\N{PILE OF POO}" * 3000, traceback="x" * 9000).save(path)
    assert path.stat().st_size <= 4096
    assert Status.load(path).state is RunState.FAILED
