"""The local launcher: runs are trained as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, Any

from rl_coordconv._util.importing import trusted_names
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.runs.precision import Finding
from rl_coordconv.sweeps import probe, worker, worker_log
from rl_coordconv.sweeps.backends.spec import BackendSpec
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.resources import Resources, allocate
from rl_coordconv.sweeps.supervisor import Outcome
from rl_coordconv.training.resolve import check_machine
from rl_coordconv.training.setup import check_trainable
from rl_coordconv.training.signals import STOP_SIGNALS


class LocalLauncher:
    """Starts one process a run.

    Args:
        resources: what each of them gets.
    """

    def __init__(self, resources: Resources) -> None:
        self.jobs = resources.jobs
        self._resources = resources

    def start(self, run: RunDirectory, slot: int) -> LocalJob:
        """Start training a run.

        Args:
            run: which.
            slot: which of the runs at a time it is, from 0.
        """
        command = worker.command(run.path, self._resources.threads, trust=bool(trusted_names()))
        return LocalJob(command, self._environment(slot), worker_log.open_log(run.path))

    def _environment(self, slot: int) -> dict[str, str]:
        environment = worker.environment(self._resources.threads)
        gpu = self._resources.gpu_of(slot)
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = _name_of(gpu)
        return environment

    def find_precisions(self, configs: Sequence[RunConfig]) -> list[Finding]:
        """Find the precision of every arm on this machine."""
        data = [config.model_dump(mode="json") for config in probe.one_of_each_arm(configs)]
        found = probe.find_precisions(data, self._environment(0), trust=bool(trusted_names()))
        return [Finding(**finding) for finding in found]

    def describe(self) -> str:
        """Say how many runs at a time are trained, with what, and where."""
        return f"{self.jobs} at a time with {self._resources.threads} threads each on this machine"

    def close(self) -> None:
        """Nothing is left behind."""


def _name_of(gpu: int) -> str:
    """Return what CUDA calls the GPU that is the ``gpu``-th of those this process may use."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[gpu] if gpu < len(visible) else str(gpu)


class LocalJob:
    """A process that trains a run."""

    def __init__(self, command: list[str], environment: dict[str, str], log: IO[bytes]) -> None:
        with log:
            # A session of its own: Ctrl-C reaches the sweep alone, which then asks its workers.
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,  # its end tells the worker that this process is gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._close_input()
        return outcome_of(code)

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        code = self._process.wait()
        self._close_input()
        return code

    def terminate(self) -> None:
        """Ask it to save and stop."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.wait()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()


def outcome_of(code: int) -> Outcome:
    """Say what a worker's exit code means; negative ones are signals, as in `subprocess`."""
    if code == 0:
        return Outcome("ended")
    if code == worker.BUSY:
        return Outcome("busy")
    if code == worker.DISK_FULL:
        return Outcome("failed", "the disk is full")
    if code in {128 + one for one in STOP_SIGNALS}:
        return Outcome("stopped")
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Outcome("failed", f"the process was ended by {name}")
    return Outcome("failed", f"the process ended with exit code {code}")


def _launch(config: SweepConfig, n_runs: int, options: Mapping[str, Any]) -> LocalLauncher:
    check_machine(config.device, config.precision)
    for one in config.runs():
        check_trainable(one)
    return LocalLauncher(allocate(options["jobs"], n_runs, config.device))


SPEC = BackendSpec("local", {"shared": False}, _launch)
