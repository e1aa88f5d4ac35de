"""The emulator's threads wait for their turn."""

import os
import threading
from pathlib import Path

import pytest

from rl_coordconv.envs.scheduling import yielding_threads

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


def test_where_the_system_forbids_it_the_threads_stay_as_they_are(monkeypatch):
    asked = []

    def refuse(thread, *arguments):
        asked.append(thread)
        raise PermissionError("not here")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    done, started = threading.Event(), threading.Event()

    def wait():
        started.set()
        done.wait(10)

    thread = threading.Thread(target=wait)
    with yielding_threads():
        thread.start()
        assert started.wait(10)
    assert asked == [thread.native_id]
    assert os.sched_getscheduler(thread.native_id) == os.SCHED_OTHER
    done.set()
    thread.join()
