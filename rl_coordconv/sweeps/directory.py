"""A sweep's directory: its description, its runs, and one sweep at a time in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.files import set_aside
from rl_coordconv._util.leases import find_holder
from rl_coordconv._util.links import is_there
from rl_coordconv._util.locking import held
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.sweeps.plan import SweepConfig

_PREPARING_SECONDS = 900.0
"""How long one may wait for another that prepares: it may be finding the precision."""
_ASKING_SECONDS = 5.0
"""Another that only asks leaves at once."""


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
        planned = {run.name for run in config.runs()}
        before = self._read_kept()
        if before is None:
            return self._set_description_aside(planned, mix)
        if before == config:
            return []
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
        """Hold the sweep for this process alone; the hold goes with the process, however it dies.

        Raises:
            InputError: another process is at work on this sweep, or the directory cannot be locked.
        """
        with held(self.path, self._busy):
            yield

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Be the only one of several sweeps that share the directory to prepare it.

        Raises:
            InputError: another process prepares it for very long, or the directory cannot be
                locked.
        """
        place = self.path / ".preparing"
        try:
            place.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {place}: {error}") from error
        with held(place, self._busy, patience=_PREPARING_SECONDS):
            yield

    def refuse_beside_one(self) -> None:
        """Make sure that no sweep holds the directory for itself alone.

        Raises:
            InputError: one does.
        """
        with held(self.path, self._busy, patience=_ASKING_SECONDS):
            pass

    def _busy(self) -> InputError:
        holder = find_holder(self.path) or find_holder(self.path / ".preparing")
        who = "" if holder is None else f" (pid {holder.process.pid} on {holder.process.host})"
        return InputError(
            f"another process is at work on the sweep in {self.path}{who}; with --shared, given to "
            "each of them, several can be (not on SLURM or Ray)"
        )

    def _read_kept(self) -> SweepConfig | None:
        """Read the description that the directory keeps; None where it is damaged."""
        try:
            kept = SweepConfig.load_kept(self.config_file)
        except InputError:
            return None
        try:
            kept.runs()
        except UnknownNameError:  # a letter of a name is another one now
            return None
        except InputError as error:  # a preset has moved, or code is not trusted
            raise InputError(f"{self.config_file}: {error}") from error
        return kept

    def _set_description_aside(self, planned: set[str], mix: bool) -> list[str]:
        """Go on without the description, as long as the runs that are there are planned ones."""
        others = {path.name for path in self.runs_directory.glob("*-*") if path.is_dir()} - planned
        if others and not mix:
            raise InputError(
                f"{self.config_file} is damaged, and {len(others)} runs in {self.runs_directory} "
                "would not belong to this sweep; choose another --output, or give --mix to train "
                "this one's runs beside them"
            )
        aside = self.config_file.with_suffix(".yaml.damaged")
        set_aside(self.config_file, aside)
        return [f"{self.config_file} is damaged: it is kept as {aside.name} and written anew"]


def _describe_changes(before: SweepConfig, after: SweepConfig) -> str:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changes = [f"{name} was {old[name]}, is {new[name]}" for name in new if old[name] != new[name]]
    if before.format_version == 1:
        changes[0] = "it is from a version whose coordconv is called coordconv-paper now"
    return "; ".join(changes)
