"""What the machine offers this process."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rl_coordconv._util.errors import InputError, shown

_OPENMP_NAMES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_OPENMP_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_SPINS = "10000"
"""A quarter of a millisecond where a spin takes 25 ns: longer than the pauses inside an update."""
_CPU_INFO = Path("/proc/cpuinfo")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_FEW_THREADS = 64
_THREADS_PER_CORE = 4


def available_cores() -> int:
    """Return how many cores this process may use, a container's CPU quota included."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _quota_cores()
    return cores if quota is None else max(1, min(cores, quota))


def _quota_cores() -> int | None:
    """Return the cores a Linux control group allows, rounded up; None where there is no limit."""
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="utf8").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # not Linux, an older kernel, or "max"
        return None


def most_threads() -> int:
    """Return how many threads may be asked for: more only wait for each other."""
    return max(_FEW_THREADS, _THREADS_PER_CORE * available_cores())


def check_threads(threads: int | None, name: str = "--threads") -> None:
    """Refuse a number of threads that makes no sense; None, for a choice of ours, does.

    Raises:
        InputError: fewer than one, or more than `most_threads`.
    """
    most = most_threads()
    if threads is not None and not 1 <= threads <= most:
        bound = f"is not at least 1 and at most {most} ({available_cores()} cores are usable here)"
        raise InputError(f"{name} {shown(threads)} {bound}")


def memory_bytes() -> int | None:
    """Return the memory that this process may use, a container's limit included.

    None where the system does not tell.
    """
    limits = [limit for path in _MEMORY_LIMITS if (limit := _read_limit(path)) is not None]
    with suppress(AttributeError, OSError, ValueError):  # not POSIX
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits, default=None)


def _read_limit(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf8"))
    except (OSError, ValueError):  # no control groups, or "max"
        return None


def cpu_model() -> str:
    """Return the processor's name as the operating system gives it."""
    try:
        for line in _CPU_INFO.read_text(encoding="utf8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Return the names of the processor's instruction sets as Linux lists them; empty elsewhere."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf8").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):  # x86 and ARM; all cores have the same
            return frozenset(words.split())
    return frozenset()


def openmp_settings() -> dict[str, str]:
    """Return the environment variables in force that decide about OpenMP's threads."""
    return {name: os.environ[name] for name in _OPENMP_NAMES if name in os.environ}


def limit_openmp_spinning() -> None:
    """Let torch's idle threads leave the cores to the emulator's after a quarter of a millisecond.

    By default GNU's OpenMP spins 300,000 times, which is longer than a step of all environments:
    the emulator shares its cores with threads that wait. It must be called before torch is
    imported; later it does nothing, and neither where the environment already decides.
    """
    is_decided = any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"))
    if "torch" not in sys.modules and not is_decided:
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def openmp_spins() -> bool:
    """Tell whether OpenMP's threads wait actively as long as they like, which is milliseconds."""
    return not any(name in os.environ for name in _OPENMP_WAITING)


@contextmanager
def openmp_as_it_comes() -> Iterator[None]:
    """Start processes inside that do not inherit what `limit_openmp_spinning` set."""
    is_ours = os.environ.get("GOMP_SPINCOUNT") == _SPINS
    if is_ours:
        del os.environ["GOMP_SPINCOUNT"]
    try:
        yield
    finally:
        if is_ours:
            os.environ["GOMP_SPINCOUNT"] = _SPINS
