"""One process at a time in a directory, also where the file system cannot lock."""

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.locking import held

HOLDER = """
import errno, fcntl, os, sys
from pathlib import Path
from rl_coordconv._util.locking import held
def refuse(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")
if sys.argv[2] == "cannot":
    fcntl.flock = refuse
with held(Path(sys.argv[1]), AssertionError):
    print("held", flush=True)
    sys.stdin.read()
"""


class BusyError(InputError):
    """Of this test."""


def busy():
    return BusyError("process 7 is at work")


def holder(directory, can="can"):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), can],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def refuse_with(number):
    def flock(*arguments):
        raise OSError(number, os.strerror(number))

    return flock


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def no_locks(request, monkeypatch):
    monkeypatch.setattr("fcntl.flock", refuse_with(request.param))


def test_a_second_holder_is_refused_until_the_first_leaves(tmp_path):
    with held(tmp_path, busy):
        with pytest.raises(BusyError, match="^process 7 is at work$"), held(tmp_path, busy):
            pass
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lease-000001", ".lock"]
    with held(tmp_path, busy):
        pass


def test_a_file_that_an_earlier_version_left_is_no_lock(tmp_path):
    left = tmp_path / ".lock"
    left.write_text("")
    left.chmod(0o664)
    with held(tmp_path, busy):
        pass
    assert stat.S_IMODE(left.stat().st_mode) == 0o664


def test_earlier_and_later_versions_keep_each_other_out(tmp_path):
    """Those before filelock locked the same file in the same way."""
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / ".lock").open("a+") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BusyError), held(tmp_path, busy):
            pass
    with (
        held(tmp_path, busy),
        (tmp_path / ".lock").open("a+") as file,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_it_may_be_released_in_another_thread(tmp_path):
    lock = held(tmp_path, busy)
    lock.__enter__()
    thread = threading.Thread(target=lock.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    with held(tmp_path, busy):
        pass


def test_what_cannot_be_locked_is_named_and_not_made(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(InputError, match="cannot lock .*missing"), held(missing, busy):
        pass
    assert not missing.exists()


def test_a_directory_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    real = os.open

    def refuse(path, flags, *arguments, **options):
        if os.fspath(path).endswith(".lock"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(InputError, match="cannot lock .*Permission denied") as caught:
        held(tmp_path, busy).__enter__()
    assert not isinstance(caught.value, BusyError)


def test_a_killed_process_leaves_no_lock(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(BusyError), held(tmp_path, busy):
            pass
        process.kill()
    with held(tmp_path, busy):
        pass


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_lease_keeps_others_out_which_is_told(tmp_path, capsys):
    with held(tmp_path, busy):
        assert f"note: the file system of {tmp_path} cannot lock files" in capsys.readouterr().err
        with pytest.raises(BusyError, match="^process 7 is at work$"), held(tmp_path, busy):
            pass
    with held(tmp_path, busy):
        pass


def test_locks_that_keep_nobody_out_do_no_harm(tmp_path, monkeypatch):
    """As those of a file system that keeps them to one machine, and does not say so."""
    monkeypatch.setattr("fcntl.flock", lambda *arguments: None)
    with (
        held(tmp_path, busy),
        pytest.raises(BusyError, match="^process 7 is at work$"),
        held(tmp_path, busy),
    ):
        pass


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_killed_process_leaves_none_either(tmp_path):
    with holder(tmp_path, "cannot") as process:
        with pytest.raises(BusyError), held(tmp_path, busy):
            pass
        process.kill()
    with held(tmp_path, busy):
        pass


def test_another_holder_may_be_waited_for(tmp_path):
    lock = held(tmp_path, busy)
    lock.__enter__()
    leaves = threading.Timer(0.3, lock.__exit__, args=(None, None, None))
    leaves.start()
    with pytest.raises(BusyError), held(tmp_path, busy):
        pass
    with held(tmp_path, busy, patience=60.0):
        assert leaves.finished.is_set()
    leaves.join()


def test_other_failures_of_locking_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", refuse_with(errno.EIO))
    with pytest.raises(InputError, match="cannot lock .*Input/output error"), held(tmp_path, busy):
        pass
