"""A lease keeps one holder at a time, without file locks and across machines."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from rl_coordconv._util import leases
from rl_coordconv._util.leases import (
    Holder,
    LeaseLostError,
    LeaseWatch,
    Standing,
    acquire,
    find_holder,
    has_lease,
)
from rl_coordconv._util.processes import Process

ELSEWHERE = Process("elsewhere", "another machine", 7, 1)


@pytest.fixture
def quick(monkeypatch):
    """Let a lease of another machine be dead after a third of a second."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(leases, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(leases, "_SETTLE_SECONDS", 0.0)


def write(directory, number=1, **values):
    fields = {"process": ELSEWHERE, "beat": 0, "time": time.time()} | values
    path = directory / f".lease-{number:06d}"
    path.write_bytes(Holder(**fields).encode())
    return path


def take(directory, watch=True):
    return acquire(directory, watch=watch, tell=lambda line: None)


def test_one_holder_at_a_time_which_is_named(tmp_path):
    assert not has_lease(tmp_path)
    assert find_holder(tmp_path) is None
    lease = take(tmp_path)
    assert find_holder(tmp_path).process == Process.this()
    assert take(tmp_path) is None
    lease.check()
    lease.release()
    assert find_holder(tmp_path) is None
    assert has_lease(tmp_path)
    again = take(tmp_path)
    again.release()
    # The one before stays, so that a late look at the directory finds no number free.
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lease-000001", ".lease-000002"]
    take(tmp_path).release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lease-000002", ".lease-000003"]


def test_a_holder_on_this_machine_is_asked_for_by_its_process(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone = dataclasses.replace(Process.this(), pid=child.pid)
    write(tmp_path, process=gone)
    assert find_holder(tmp_path) is None
    lease = take(tmp_path, watch=False)  # at once
    assert (tmp_path / ".lease-000002").exists()
    lease.release()
    write(tmp_path, number=3, process=Process.this(), time=0.0)  # however old it says it is
    assert LeaseWatch(tmp_path).look() is Standing.HELD


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("clock", [0.0, 1e12])
def test_one_on_another_machine_is_dead_when_it_does_not_change(tmp_path, clock):
    """By the observer's clock: what the other's says does not matter."""
    write(tmp_path, time=clock)
    watch = LeaseWatch(tmp_path)
    assert watch.look() is Standing.UNSURE
    assert take(tmp_path, watch=False) is None
    said = []
    began = time.monotonic()
    lease = acquire(tmp_path, watch=True, tell=said.append)
    assert time.monotonic() - began > leases.LEASE_SECONDS
    assert "held by pid 7 on elsewhere" in said[0]
    assert len(said) == 1
    lease.check()
    lease.release()


@pytest.mark.usefixtures("quick")
def test_one_that_changes_is_alive_and_one_that_stops_is_not(tmp_path):
    watch = LeaseWatch(tmp_path)
    for beat in range(4):
        write(tmp_path, beat=beat, time=5.0)
        assert watch.look() is (Standing.HELD if beat else Standing.UNSURE)
        time.sleep(0.12)
    assert watch.look() is Standing.HELD
    time.sleep(0.4)
    assert watch.look() is Standing.FREE


def test_what_another_machine_gave_back_is_free_at_once(tmp_path):
    write(tmp_path, is_released=True)
    assert LeaseWatch(tmp_path).look() is Standing.FREE
    lease = take(tmp_path, watch=False)
    lease.release()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 512, b"[]", b'{"process": 7}'])
def test_a_lease_that_says_nothing_counts_as_another_machines(tmp_path, content):
    write(tmp_path).write_bytes(content)
    watch = LeaseWatch(tmp_path)
    assert watch.look() is Standing.UNSURE
    time.sleep(0.4)
    assert watch.look() is Standing.FREE


def test_a_holder_renews_it(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.01)
    lease = take(tmp_path)
    first = find_holder(tmp_path)
    deadline = time.monotonic() + 20
    while find_holder(tmp_path).beat < first.beat + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    now = find_holder(tmp_path)
    assert now.beat >= first.beat + 3
    assert now.process == first.process
    lease.release()


@pytest.mark.usefixtures("quick")
def test_who_stood_still_and_was_taken_over_is_told_before_it_writes(tmp_path):
    lease = take(tmp_path)
    lease.check()
    write(tmp_path, number=2)
    lease._renewed -= leases.TRUSTED_SECONDS + 1  # it was stopped for that long
    with pytest.raises(LeaseLostError, match="taken over"):
        lease.check()
    lease.release()
    assert find_holder(tmp_path).process == ELSEWHERE


@pytest.mark.usefixtures("quick")
def test_who_stood_still_and_was_not_taken_over_goes_on(tmp_path):
    lease = take(tmp_path)
    before = find_holder(tmp_path).beat
    lease._renewed -= leases.TRUSTED_SECONDS + 1
    lease.check()
    assert find_holder(tmp_path).beat == before + 1
    lease.release()


@pytest.mark.usefixtures("quick")
def test_who_cannot_renew_it_does_not_rely_on_it(tmp_path):
    lease = take(tmp_path)
    (tmp_path / ".lease-000001").unlink()
    lease.check()  # not for that long yet
    lease._renewed -= leases.TRUSTED_SECONDS + 1
    with pytest.raises(LeaseLostError, match="cannot be renewed"):
        lease.check()
    lease.release()


def test_a_late_look_at_the_directory_takes_nothing(tmp_path):
    """Another process has taken numbers 2 and 3 and dropped 2, and this one still sees 1."""
    write(tmp_path, number=3)
    assert leases._take(tmp_path, 2) is None
    assert [path.name for path in tmp_path.iterdir()] == [".lease-000003"]


CONTENDER = """
import fcntl, os, random, sys, time
from pathlib import Path
from rl_coordconv._util import leases, locking, processes
from rl_coordconv._util.errors import InputError

place, seed = Path(sys.argv[1]), int(sys.argv[2])
# Every process is a machine of its own.
processes._machine = lambda: f"machine of {os.getpid()}"
fcntl.flock = lambda *arguments: None  # keeps nobody out, and does not say so
leases.LEASE_SECONDS, leases.BEAT_SECONDS, leases.TRUSTED_SECONDS = 3.0, 0.1, 1.4
leases._LOOK_SECONDS, leases._SETTLE_SECONDS = 0.05, 0.1
chance = random.Random(seed)
inside = place / "inside"
while not (place / "over").exists():
    try:
        with locking.held(place / "held", lambda: InputError("busy")) as lease:
            lease.check()
            try:
                with inside.open("x") as file:
                    file.write(str(os.getpid()))
            except FileExistsError:
                other = int(inside.read_text() or 0)
                if processes.exists(other):
                    (place / f"together-{os.getpid()}-{other}").touch()
                inside.write_text(str(os.getpid()))  # left by one that was killed
            time.sleep(chance.uniform(0.0, 0.2))
            lease.check()
            with (place / "work").open("a") as file:
                file.write(f"{os.getpid()}\\n")
            inside.unlink()
    except InputError:
        time.sleep(chance.uniform(0.0, 0.1))
"""


def contend(place, seconds, kills, contenders=4, seed=0):
    """Let processes that share nothing but the folder contend, and kill some of them."""
    (place / "held").mkdir()
    chance, others = random.Random(seed), iter(range(10**6))

    def begin():
        return subprocess.Popen([sys.executable, "-c", CONTENDER, str(place), str(next(others))],
                                stderr=subprocess.DEVNULL)  # fmt: skip

    processes, killed = [begin() for _ in range(contenders)], 0
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            time.sleep(seconds / (kills + 1))
            if killed < kills:
                victim = _holding(place) or chance.choice(processes).pid
                process = next(one for one in processes if one.pid == victim)
                process.send_signal(signal.SIGKILL)
                process.wait()
                processes[processes.index(process)] = begin()
                killed += 1
    finally:
        (place / "over").touch()
        for process in processes:
            try:
                process.wait(timeout=60)
            finally:
                process.kill()
    return [int(line) for line in (place / "work").read_text().split()]


def _holding(place):
    try:
        pid = int((place / "inside").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def check(place, worked, least):
    assert [path.name for path in place.glob("together-*")] == []
    assert len(worked) >= least
    assert len(set(worked)) >= 2  # not always the same


def test_two_machines_never_hold_it_together_also_where_locks_lie(tmp_path):
    worked = contend(tmp_path, seconds=8, kills=1, contenders=3)
    check(tmp_path, worked, least=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_machines_with_killed_holders(tmp_path, seed):
    worked = contend(tmp_path, seconds=60, kills=20, contenders=8, seed=seed)
    check(tmp_path, worked, least=40)


def test_the_thread_of_one_who_stood_still_waits_before_it_trusts_itself(tmp_path, monkeypatch):
    """An observer has just taken it for dead, and takes the next number in that while."""
    lease = leases.acquire(tmp_path, watch=False, tell=print)
    monkeypatch.setattr(leases, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(leases.time, "sleep", lambda _: write(tmp_path, number=2))
    lease._renewed -= leases.TRUSTED_SECONDS + 1
    lease._renew()
    with pytest.raises(leases.LeaseLostError, match="has been taken over"):
        lease.check()
    lease.release()


@pytest.mark.parametrize("change", [{"time": "x"}, {"time": float("nan")}, {"beat": None}])
def test_a_damaged_lease_says_nothing(tmp_path, change):
    write(tmp_path, **change)
    assert leases.find_holder(tmp_path) is None


def test_a_folder_that_does_not_answer_is_nobodys_to_take(tmp_path, monkeypatch):
    write(tmp_path)

    def fail(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(leases.os, "listdir", fail)
    assert leases.LeaseWatch(tmp_path).look() is leases.Standing.UNSURE
    assert leases.find_holder(tmp_path) is None


def test_a_lease_that_cannot_be_written_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(leases.Holder, "encode", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        leases.acquire(tmp_path, watch=False, tell=print)
    assert not list(tmp_path.iterdir())
