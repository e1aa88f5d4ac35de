"""A sweep's directory: its description, its runs, and one sweep at a time in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.links import is_there
from rl_coordconv._util.locking import held
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.sweeps.plan import SweepConfig


class SweepDirectory:
    """The paths of a sweep.

    Args:
        path: the directory; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "sweep.yaml"
        self.runs_directory = self.path / "runs"

    def make(self) -> None:
        """Make the directory if it is not there.

        Raises:
            InputError: it cannot be made.
        """
        try:
            self.runs_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the sweep's directory {self.path}: {error}") from error

    def prepare(self, config: SweepConfig, *, mix: bool = False) -> list[str]:
        """Keep the sweep's description in the directory, which is made if it is not there.

        Args:
            config: what is to be trained.
            mix: whether other runs may be there already.

        Returns:
            What a person should know, in sentences: runs that are added to others.

        Raises:
            InputError: the directory cannot be written, or holds runs of another description.
        """
        news = self._compare(config, mix)
        self.make()
        try:
            config.save(self.config_file)
        except OSError as error:
            raise InputError(f"cannot write {self.config_file}: {error}") from error
        return news

    def _compare(self, config: SweepConfig, mix: bool) -> list[str]:
        if not is_there(self.config_file):
            return []
        before = SweepConfig.load_kept(self.config_file)
        if before == config:
            return []
        planned = {run.name for run in config.runs()}
        old = {run.name for run in before.runs()}
        if old == planned and before.in_format_of(config) == config:
            return []  # an earlier version wrote the same down
        changes = _describe_changes(before, config)
        if old <= planned:
            return [f"{len(planned - old)} runs are added to the {len(old)} before ({changes})"]
        if not mix:
            raise InputError(
                f"{self.path} holds another sweep ({changes}): {len(old - planned)} of its runs "
                "would not belong to this one; choose another --output, or give --mix to train "
                "this one's runs beside them"
            )
        return [f"{len(old - planned)} runs of an earlier description stay as they are ({changes})"]

    def place_of(self, config: RunConfig) -> RunDirectory:
        """Return the directory of a run, whether it is there or not."""
        return RunDirectory(self.runs_directory / config.name)

    def run(self, config: RunConfig) -> RunDirectory:
        """Return the directory of a run, which is made if it is not there."""
        return RunDirectory.create(config, self.runs_directory)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sweep for this process; the lock goes with the process, however it dies.

        Raises:
            InputError: another process is at work on this sweep, or the directory cannot be locked.
        """
        with held(self.path, self._busy):
            yield

    def _busy(self) -> InputError:
        return InputError(f"another process is at work on the sweep in {self.path}")


def _describe_changes(before: SweepConfig, after: SweepConfig) -> str:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changes = [f"{name} was {old[name]}, is {new[name]}" for name in new if old[name] != new[name]]
    if before.format_version == 1:
        changes[0] = "it is from a version whose coordconv is called coordconv-paper now"
    return "; ".join(changes)
