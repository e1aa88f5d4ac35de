"""Processes are known by more than their number."""

import dataclasses
import os
import subprocess
import sys
import time

import pytest

from rl_coordconv._util.processes import Process, began_at, exists

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="looks into /proc")


@pytest.fixture
def ended():
    """The number of a process that has ended and was waited for."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_this_process_is_alive_and_one_that_has_ended_is_not(ended):
    this = Process.this()
    assert this.pid == os.getpid()
    assert this.is_alive() is True
    assert dataclasses.replace(this, pid=ended).is_alive() is False
    assert exists(os.getpid())
    assert not exists(ended)


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**70])
def test_what_is_no_process(pid):
    assert not exists(pid)


def test_a_process_that_nobody_has_waited_for_yet_has_ended():
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        deadline = time.monotonic() + 20
        while exists(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not exists(child.pid)
        os.kill(child.pid, 0)  # though its number is still taken
    finally:
        child.wait()


def test_another_process_with_the_same_number_is_another():
    this = Process.this()
    assert dataclasses.replace(this, started=this.started + 1).is_alive() is False
    assert dataclasses.replace(this, started=0).is_alive() is True  # not known when it began


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"machine": "another boot"}])
def test_of_another_machine_nothing_can_be_told(change, ended):
    other = dataclasses.replace(Process.this(), **change)
    assert other.is_alive() is None
    assert dataclasses.replace(other, pid=ended).is_alive() is None


def test_when_a_process_began(ended):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        assert abs(began_at(child.pid) - time.time()) < 30
    assert began_at(ended) is None
