"""What the machine offers this process."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


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


def cpu_model() -> str:
    """Return the processor's name as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def openmp_settings() -> dict[str, str]:
    """Return the environment variables in force that decide about OpenMP's threads."""
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    return {name: os.environ[name] for name in names if name in os.environ}
