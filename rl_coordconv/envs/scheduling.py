"""How the operating system schedules the emulator's threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def yielding_threads() -> Iterator[None]:
    """Let the threads that are started inside never push aside the one that wakes them.

    Linux lets a thread that has slept interrupt the one that wakes it. With as many emulator
    threads as cores that is the thread still handing out the actions: the worker plays the first
    game, then waits actively for the next one, which cannot be sent before it gives the core
    back. In the class SCHED_BATCH a woken thread waits for its turn (see docs/performance.md).
    Elsewhere than on Linux, or where the system forbids it, nothing is changed.
    """
    before = _thread_ids()
    try:
        yield
    finally:
        for thread in _thread_ids() - before:
            # The thread may have ended, and a sandbox may forbid it: then it stays as it is.
            with suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))


def _thread_ids() -> set[int]:
    if not hasattr(os, "SCHED_BATCH") or not _TASKS.is_dir():
        return set()
    return {int(entry.name) for entry in _TASKS.iterdir()}
