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


def check_gpus_asked(device: str, gpus: float, without: str) -> None:
    """Refuse a cluster's runs that want a GPU and ask for none.

    Args:
        device: what the runs ask for: ``auto``, ``cpu`` or ``cuda``.
        gpus: what each of them asks the cluster for.
        without: what becomes of a run that asks for none, for the message.

    Raises:
        InputError: the device is ``cuda`` and no GPU is asked for.
    """
    if device == "cuda" and gpus <= 0:
        raise InputError(
            f"device 'cuda' was asked for, but with --gpus-per-run {gpus:g} {without} (allowed: "
            "more than 0, for example 0.25)"
        )
