"""A run's directory: which files it has, and one process at a time in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import sync_directory
from rl_coordconv._util.locking import held
from rl_coordconv.runs.config import RunConfig
from rl_coordconv.runs.status import Status


class RunBusyError(InputError):
    """Another process is training the run."""


class RunDirectory:
    """The paths of one run.

    Args:
        path: the directory; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.command_file = self.path / "command.txt"
        self.environment_file = self.path / "environment.json"
        self.status_file = self.path / "status.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.episodes_file = self.path / "monitor.csv"
        self.checkpoints = self.path / "checkpoints"
        self.evaluation_file = self.path / "evaluation.json"
        self.evaluations_file = self.path / "evaluations.npz"
        self.best_model_file = self.path / "best_model.zip"
        self.model_file = self.path / "model.zip"
        self.policy_file = self.path / "policy.json"

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    @classmethod
    def create(cls, config: RunConfig, logdir: str | Path) -> RunDirectory:
        """Make the directory of a configuration, or return the one that is there already.

        Raises:
            InputError: the directory cannot be made, or holds another configuration.
        """
        run = cls(Path(logdir) / config.name)
        try:
            run.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the run directory {run.path}: {error}") from error
        sync_directory(run.path)
        sync_directory(run.path.parent)
        if run.config_file.exists():
            there = RunConfig.load(run.config_file)
            if there.hash != config.hash:
                raise InputError(f"{run.path} holds another configuration (hash {there.hash})")
        else:
            config.save(run.config_file)
        return run

    def config(self) -> RunConfig:
        """Read the run's configuration."""
        return RunConfig.load(self.config_file)

    def status(self) -> Status:
        """Read where the run stands."""
        return Status.load(self.status_file)

    def record_command(self, argv: list[str]) -> None:
        """Append the literal command that started or resumed the run, on a line of its own."""
        with self.command_file.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash has cut the one before
                    file.write(b"\n")
            file.write(os.fsencode(shlex.join(argv)) + b"\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the lock goes with the process, however it dies.

        Raises:
            RunBusyError: another process is training this run.
            InputError: the directory cannot be locked.
        """
        with held(self.path, self._busy):
            yield

    def _busy(self) -> RunBusyError:
        return RunBusyError(f"{self.path} is being trained by another process{self._who()}")

    def _who(self) -> str:
        try:
            status = self.status()
        except InputError:
            return ""
        return f" (pid {status.pid} on {status.host})"
