"""A run's directory: made once, held by one process."""

import os
import subprocess
import sys

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunBusyError, RunDirectory, RunState, Status
from rl_coordconv.runs.directory import RunLostError
from rl_coordconv.training.resolve import resolve_run


def test_the_same_configuration_finds_its_directory_again(tmp_path):
    config = resolve_run("Pong")
    run = RunDirectory.create(config, tmp_path)
    again = RunDirectory.create(config, tmp_path)
    assert run.path == again.path == tmp_path / config.name
    assert again.config() == config
    assert again.status().state is RunState.PENDING


def test_a_directory_with_another_configuration_is_refused(tmp_path):
    config = resolve_run("Pong")
    run = RunDirectory.create(config, tmp_path)
    resolve_run("Pong", seed=1).save(run.config_file)
    with pytest.raises(InputError, match="holds another configuration"):
        RunDirectory.create(config, tmp_path)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match="cannot make the run directory"):
        RunDirectory.create(resolve_run("Pong"), tmp_path / "runs")


def test_commands_are_kept_one_a_line_as_a_shell_would_take_them(tmp_path):
    run = RunDirectory.create(resolve_run("Pong"), tmp_path)
    run.record_command(["python", "train.py", "--game", "Ms Pacman"])
    run.record_command(["python", "train.py", "--resume", "x"])
    assert run.command_file.read_text() == (
        "python train.py --game 'Ms Pacman'\npython train.py --resume x\n"
    )


def test_a_command_that_a_crash_has_cut_does_not_swallow_the_next(tmp_path):
    run = RunDirectory.create(resolve_run("Pong"), tmp_path)
    run.command_file.write_text("python train.py --ga")
    run.record_command(["python", "x.py"])
    run.record_command(["python", "y.py"])
    assert run.command_file.read_text() == "python train.py --ga\npython x.py\npython y.py\n"


def test_a_run_is_busy_whatever_its_status_looks_like(tmp_path):
    run = RunDirectory.create(resolve_run("Pong"), tmp_path)
    run.status_file.write_text("")
    message = rf"trained by another process \(pid {os.getpid()} on .*\)$"
    with run.locked(), pytest.raises(RunBusyError, match=message), run.locked():
        pass


def test_who_holds_it_is_named_and_not_who_wrote_its_status(tmp_path):
    run = RunDirectory.create(resolve_run("Pong"), tmp_path)
    status = Status(state=RunState.RUNNING, pid=7, host="long ago")
    run.status_file.write_text(status.model_dump_json())
    with run.locked(), pytest.raises(RunBusyError) as caught, RunDirectory(run.path).locked():
        pass
    assert f"(pid {os.getpid()} on " in str(caught.value)
    assert "long ago" not in str(caught.value)


def test_who_lost_the_run_is_told_before_it_writes(tmp_path, monkeypatch):
    """It stood still for so long that another machine has taken the run up."""
    run = RunDirectory.create(resolve_run("Pong"), tmp_path)
    monkeypatch.setattr("rl_coordconv._util.leases._SETTLE_SECONDS", 0.0)
    run.check_held()  # nobody holds it: nothing to lose
    with run.locked():
        run.check_held()
        (run.path / ".lease-000002").write_text("another machine's")
        run._lease._renewed -= 1000.0
        with pytest.raises(RunLostError, match="no longer this process's, which stood still"):
            run.check_held()


HOLDER = """
import sys
from rl_coordconv.runs import RunDirectory
with RunDirectory(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    run = RunDirectory.create(resolve_run("Pong"), tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="is being trained by another process"), run.locked():
            pass
        holder.kill()
    with run.locked():
        pass
