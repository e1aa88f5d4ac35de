"""A run that says it is being trained, and whose process is gone, was interrupted."""

import dataclasses
import socket
import subprocess
import sys
import time

import pytest

from rl_coordconv._util import leases
from rl_coordconv._util.leases import Holder
from rl_coordconv._util.processes import Process
from rl_coordconv.runs import RunDirectory, RunState, Status

ELSEWHERE = Process("elsewhere", "another machine", 7, 1)


@pytest.fixture
def gone():
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return dataclasses.replace(Process.this(), pid=child.pid)


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path)


def write(run, state=RunState.RUNNING, **values):
    stamp = {"heartbeat": time.time(), "pid": Process.this().pid, "host": socket.gethostname()}
    status = Status(state=state, num_timesteps=5, **stamp | values)
    run.status_file.write_text(status.model_dump_json())


def hold(run, process, age=0.0, **values):
    holder = Holder(process, 0, time.time() - age, **values)
    (run.path / ".lease-000001").write_bytes(holder.encode())


def test_while_its_process_holds_the_run_it_is_running(run):
    write(run)
    with run.locked():
        assert run.status().state is RunState.RUNNING
    # It was left without a word, and nobody trains it any more.
    status = run.status()
    assert (status.state, status.num_timesteps) == (RunState.INTERRUPTED, 5)
    assert Status.load(run.status_file).state is RunState.RUNNING  # what is written stays


def test_when_its_process_has_ended_it_was_interrupted(run, gone):
    write(run)
    hold(run, gone)
    assert run.status().state is RunState.INTERRUPTED


@pytest.mark.parametrize(
    ("heartbeat", "lease", "state"),
    [(0, 0, "running"), (200, 400, "running"), (400, 200, "running"), (-200, -200, "running"),
     (400, 400, "interrupted")],
)  # fmt: skip
def test_on_another_machine_its_last_sign_of_life_tells(run, heartbeat, lease, state):
    write(run, host="elsewhere", heartbeat=time.time() - heartbeat)
    hold(run, ELSEWHERE, lease)
    assert run.status().state == state


def test_what_another_machine_gave_back_is_not_running(run):
    write(run, host="elsewhere")
    hold(run, ELSEWHERE, is_released=True)
    assert run.status().state is RunState.INTERRUPTED


@pytest.mark.parametrize("state", [one for one in RunState if one is not RunState.RUNNING])
def test_other_states_are_what_they_are(run, gone, state):
    write(run, state)
    hold(run, gone)
    assert run.status().state is state


def test_how_it_ended_may_be_written_in_between(run, gone, monkeypatch):
    write(run)
    hold(run, gone)
    look = leases.find_holder

    def end(directory):
        found = look(directory)
        write(run, RunState.DONE)
        return found

    monkeypatch.setattr("rl_coordconv.runs.liveness.find_holder", end)
    assert run.status().state is RunState.DONE


class TestFromBeforeThereWereLeases:
    def test_its_process_tells(self, run, gone):
        write(run)
        assert run.status().state is RunState.RUNNING
        write(run, pid=gone.pid)
        assert run.status().state is RunState.INTERRUPTED

    def test_a_later_process_of_that_number_is_another(self, run):
        write(run, heartbeat=1000.0)
        assert run.status().state is RunState.INTERRUPTED

    def test_on_another_machine_its_heartbeat_tells(self, run):
        write(run, host="elsewhere", pid=1)
        assert run.status().state is RunState.RUNNING
        write(run, host="elsewhere", pid=1, heartbeat=time.time() - 400)
        assert run.status().state is RunState.INTERRUPTED
