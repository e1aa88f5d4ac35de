"""The emulator's threads wait for their turn, each on cores of its own."""

import os
import threading
from pathlib import Path

import pytest

from rl_coordconv.envs.scheduling import deal_cores, placed_threads

pytestmark = pytest.mark.skipif(
    not hasattr(os, "SCHED_BATCH") or not Path("/proc/self/task").is_dir(),
    reason="scheduling classes are Linux's",
)


def policies():
    return [os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()]


def test_the_emulators_threads_and_no_others_are_in_the_batch_class(make):
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    before = policies()
    make("Pong", n_envs=2, num_threads=2)
    after = policies()
    started = len(after) - len(before)  # ale-py starts no more than there are cores
    assert started >= 1
    assert after.count(os.SCHED_BATCH) == before.count(os.SCHED_BATCH) + started
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize(
    ("cores", "count", "hands"),
    [
        ({0, 1}, 2, [{0}, {1}]),
        ({3, 5, 7, 9}, 2, [{3, 7}, {5, 9}]),
        ({0, 1, 2, 3}, 3, [{0, 3}, {1}, {2}]),
        ({4, 6}, 1, [{4, 6}]),
        ({4, 6}, 5, [{4}, {6}, {4}, {6}, {4}]),
        ({0, 1}, 0, []),
    ],
)
def test_cores_are_dealt_out(cores, count, hands, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    assert deal_cores(count) == hands


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_no_two_emulator_threads_wait_for_one_core(make):
    before = set(Path("/proc/self/task").iterdir())
    make("Pong", n_envs=2, num_threads=2)
    started = set(Path("/proc/self/task").iterdir()) - before
    one, another = (os.sched_getaffinity(int(task.name)) for task in started)
    assert not one & another
    assert one | another == os.sched_getaffinity(0)


def test_where_the_system_forbids_it_the_threads_stay_as_they_are(monkeypatch):
    asked = []

    def refuse(thread, *arguments):
        asked.append(thread)
        raise PermissionError("not here")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    cores = os.sched_getaffinity(0)
    done, started = threading.Event(), threading.Event()

    def wait():
        started.set()
        done.wait(10)

    thread = threading.Thread(target=wait)
    with placed_threads():
        thread.start()
        assert started.wait(10)
    assert asked == [thread.native_id] * 2
    assert os.sched_getaffinity(thread.native_id) == cores
    assert os.sched_getscheduler(thread.native_id) == os.SCHED_OTHER
    done.set()
    thread.join()
