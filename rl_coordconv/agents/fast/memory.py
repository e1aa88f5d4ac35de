"""glibc's malloc settings: memory that a training frees stays with the process."""

from __future__ import annotations

import ctypes
import functools
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_KEPT = 32 * 2**20
"""Bytes; the most that glibc accepts. Larger blocks come from and go to the system at once."""
_MOST_KEPT = 256 * 2**20
"""Bytes at the end of the heap that stay with the process when they are free."""


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep freed memory instead of fetching it from the system again and again.

    An update allocates tensors of several megabytes and frees them. glibc may hand such memory
    back at once; getting it anew costs a page fault for each 4 KiB, thousands an update (measured,
    see docs/performance.md). This is a setting of the whole process, made once; up to 256 MiB that
    are free stay with it.

    Returns:
        Whether it was done: not with another C library, nor where the environment says otherwise.

    Source:
        mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc" or _is_configured():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Each of them alone leaves as many page faults as neither.
    done = [mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT), mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)]
    return all(done)


def _is_configured() -> bool:
    """Tell whether somebody chose by hand, or put another allocator in the C library's place."""
    settings = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD")
    return "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name in os.environ for name in settings
    )
