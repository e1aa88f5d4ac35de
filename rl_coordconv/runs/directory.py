"""A run's directory: which files it has, and one process at a time in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import sync_directory, write_bytes
from rl_coordconv._util.leases import Lease, LeaseLostError, find_holder
from rl_coordconv._util.links import (
    is_there,
    make_folder,
    refuse_links_out,
    require_regular_file,
)
from rl_coordconv._util.locking import held
from rl_coordconv._util.reading import check_size, read_bytes
from rl_coordconv.runs.config import RunConfig
from rl_coordconv.runs.liveness import read_status
from rl_coordconv.runs.status import Status


class RunBusyError(InputError):
    """Another process is training the run."""


class RunLostError(RunBusyError):
    """This process held the run, stood still for too long, and another one has it now."""


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
        self.record_file = self.path / "record.json"
        self.evaluation_file = self.path / "evaluation.json"
        self.evaluations_file = self.path / "evaluations.npz"
        self.best_model_file = self.path / "best_model.zip"
        self.model_file = self.path / "model.zip"
        self.policy_file = self.path / "policy.json"
        self.weights_file = self.path / "policy.safetensors"
        self.precision_file = self.path / "precision.json"
        self.tracking_file = self.path / "tracking.json"
        self._lease: Lease | None = None

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
            make_folder(run.path)
            make_folder(run.checkpoints)
        except OSError as error:
            raise InputError(f"cannot make the run directory {run.path}: {error}") from error
        sync_directory(run.path)
        sync_directory(run.path.parent)
        if is_there(run.config_file):
            there = RunConfig.load(run.config_file)
            if there.hash != config.hash:
                raise InputError(f"{run.path} holds another configuration (hash {there.hash})")
        else:
            config.save(run.config_file)
        return run

    def check_there(self) -> None:
        """Refuse to go on with a run whose directory was deleted in the meantime.

        Raises:
            InputError: it is gone.
        """
        if not is_there(self.config_file):
            raise InputError(f"{self.path} is gone: it was deleted while the run was trained")

    def config(self) -> RunConfig:
        """Read the run's configuration."""
        return RunConfig.load(self.config_file)

    def status(self) -> Status:
        """Read where the run stands; ``running`` means that a process trains it now.

        Raises:
            InputError: the file is damaged.
        """
        return read_status(self.path, self.status_file)

    def record_command(self, argv: list[str]) -> None:
        """Append the literal command that started or resumed the run, on a line of its own.

        Raises:
            InputError: ``command.txt`` is no file of this directory.
        """
        before = read_bytes(self.command_file) if is_there(self.command_file) else b""
        if before and not before.endswith(b"\n"):  # a crash has cut the one before
            before += b"\n"
        # Written anew rather than appended to: under another name the file may lie elsewhere, too.
        write_bytes(self.command_file, before + os.fsencode(shlex.join(argv)) + b"\n")

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that a training writes here, but for TensorBoard's and the checkpoints'."""
        return (
            self.config_file, self.command_file, self.environment_file, self.status_file,
            self.metrics_file, self.episodes_file, self.record_file, self.evaluation_file,
            self.evaluations_file, self.best_model_file, self.model_file, self.policy_file,
            self.weights_file, self.precision_file, self.tracking_file,
        )  # fmt: skip

    def check_places(self) -> None:
        """Refuse a directory in which something else stands where a file will be written.

        Raises:
            InputError: a link, a directory or a pipe in the place of a file; a file in that of the
                checkpoints; a log that is too large; or a link anywhere that leads out.
        """
        for path in self.files:
            require_regular_file(path)
        for path in (self.metrics_file, self.episodes_file, self.evaluations_file):
            check_size(path)
        refuse_links_out(self.path)
        if is_there(self.checkpoints) and not self.checkpoints.is_dir():
            raise InputError(f"{self.checkpoints} is a file, where a directory is needed")

    @contextmanager
    def locked(self, *, watch: bool = True, check: bool = True) -> Iterator[None]:
        """Hold the run for this process; the hold goes with the process, however it dies.

        Args:
            watch: whether to wait, up to a minute and a half, to see whether a process on another
                machine that holds the run is alive; otherwise it counts as alive.
            check: whether the directory is looked over first.

        Raises:
            RunBusyError: another process is training this run.
            InputError: the directory cannot be locked, or as `check_places`.
        """
        if check:
            self.check_places()
        with held(self.path, self._busy, watch=watch) as self._lease:
            try:
                yield
            finally:
                self._lease = None

    def check_held(self) -> None:
        """Make sure that what is about to be written is still this process's to write.

        Raises:
            RunLostError: it held the run, and another process has it now.
        """
        if self._lease is None:
            return
        try:
            self._lease.check()
        except LeaseLostError as error:
            raise RunLostError(
                f"{self.path} is no longer this process's, which stood still for too long: {error}"
            ) from error

    def _busy(self) -> RunBusyError:
        return RunBusyError(f"{self.path} is being trained by another process{self._who()}")

    def _who(self) -> str:
        holder = find_holder(self.path)
        return "" if holder is None else f" (pid {holder.process.pid} on {holder.process.host})"
