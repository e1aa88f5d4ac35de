"""Resource allocation: a machine's cores and GPUs for runs that train at the same time."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rl_coordconv._util.errors import InputError
from rl_coordconv.machine.hardware import available_cores

JOBS_PER_GPU = 2
"""One run leaves a GPU idle while its games are emulated; a second one fills the gaps."""


@dataclass(frozen=True)
class Resources:
    """What each of several runs at a time gets."""

    jobs: int
    """Runs at a time."""
    threads: int
    """torch's and the emulator's, of each run."""
    gpus: int
    """GPUs that the runs take in turn."""

    def gpu_of(self, slot: int) -> int | None:
        """Return the GPU of the ``slot``-th of the runs at a time; None without GPUs."""
        return slot % self.gpus if self.gpus else None


def allocate(jobs: int | None, n_runs: int, device: str) -> Resources:
    """Allocate this machine's cores and GPUs to runs.

    Args:
        jobs: runs at a time; None takes one a core, or `JOBS_PER_GPU` a GPU.
        n_runs: how many there are: more at a time make no sense.
        device: what the runs ask for: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: fewer than one job.
    """
    cores = available_cores()
    gpus = 0 if device == "cpu" else torch.cuda.device_count()
    if jobs is None:
        jobs = min(cores, gpus * JOBS_PER_GPU) if gpus else cores
    if jobs < 1:
        raise InputError(f"jobs {jobs} is not at least 1")
    jobs = max(1, min(jobs, n_runs))
    return Resources(jobs, max(1, cores // jobs), gpus)
