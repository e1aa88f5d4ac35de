"""Inference threads: torch leaves the emulator its cores while the agent acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rl_coordconv.machine.hardware import openmp_spins


class Inference:
    """Computes what an agent does next without waking threads that then would not sleep.

    After each operation torch's OpenMP threads wait actively for the next one, for milliseconds:
    longer than the emulator, which needs their cores, takes for a step. A handful of images is
    convolved by one thread as well. The updates, whose operations follow each other closely, keep
    all threads. Where the environment limits that waiting (the command line sees to it,
    see `limit_openmp_spinning`) all threads compute here, too.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_alone = device.type == "cpu" and openmp_spins()

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Compute with one thread inside, if that is better."""
        count = torch.get_num_threads() if self._is_alone else 1
        if count == 1:
            yield
            return
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(count)
