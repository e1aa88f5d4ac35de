"""How the operating system schedules the emulator's threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def placed_threads() -> Iterator[None]:
    """Let the threads that are started inside neither push aside who wakes them, nor queue up.

    Linux lets a thread that has slept interrupt the one that wakes it. With as many emulator
    threads as cores that is the thread still handing out the actions: the worker plays the first
    game, then waits actively for the next one, which cannot be sent before it gives the core
    back. In the class SCHED_BATCH a woken thread waits for its turn. And it wakes threads on few
    cores while others are idle; each of ours gets cores of its own (see docs/performance.md).
    Elsewhere than on Linux, or where the system forbids it, nothing is changed.
    """
    before = _thread_ids()
    try:
        yield
    finally:
        started = sorted(_thread_ids() - before)
        for thread, cores in zip(started, deal_cores(len(started)), strict=True):
            # The thread may have ended, and a sandbox may forbid it: then it stays as it is.
            with suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
            with suppress(OSError):
                os.sched_setaffinity(thread, cores)


def deal_cores(count: int) -> list[set[int]]:
    """Deal the cores that this process may use to threads, so that no two wait for one core.

    Args:
        count: how many threads.

    Returns:
        Each thread's cores. Disjoint while there are no more threads than cores; one thread gets
        all of them.
    """
    if not count:
        return []
    cores = sorted(os.sched_getaffinity(0))
    hands = [set(cores[index::count]) for index in range(count)]
    return [hand or {cores[index % len(cores)]} for index, hand in enumerate(hands)]


def _thread_ids() -> set[int]:
    if not hasattr(os, "SCHED_BATCH") or not _TASKS.is_dir():
        return set()
    return {int(entry.name) for entry in _TASKS.iterdir()}
