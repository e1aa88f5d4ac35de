"""How many threads work, and how they wait for each other."""

from __future__ import annotations

import os

SPIN_COUNT = "30000"
"""Rounds of GNU OpenMP's waiting loop, some tens of microseconds.

Its default is ten times as long: torch's threads then keep a core busy while the emulator needs it.
None at all would make every operation of an update wake them up again. Measured, see
docs/performance.md.
"""

OPENMP_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")


def shorten_openmp_waiting() -> None:
    """Make OpenMP's threads go to sleep soon, unless the user has said how they shall wait.

    Has an effect only before torch is imported: OpenMP reads it when it is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def openmp_settings() -> dict[str, str]:
    """Return the variables in force that decide about OpenMP's threads."""
    return {name: os.environ[name] for name in OPENMP_VARIABLES if name in os.environ}
