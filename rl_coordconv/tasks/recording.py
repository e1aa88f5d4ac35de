"""A training's directory: configuration, curves, results and figures."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_json
from rl_coordconv._util.reading import read_json
from rl_coordconv.machine.provenance import describe_environment
from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.progress import TaskProgress

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TaskDirectory:
    """The paths of one training.

    Args:
        path: the directory; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.command_file = self.path / "command.txt"
        self.environment_file = self.path / "environment.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.results_file = self.path / "results.json"
        self.model_file = self.path / "model.safetensors"
        self.figures = self.path / "figures"

    @classmethod
    def create(cls, config: TaskConfig, output: str | Path) -> TaskDirectory:
        """Make the directory of a configuration, or return the one that is there already.

        Raises:
            InputError: the directory cannot be made.
        """
        directory = cls(Path(output) / config.name)
        try:
            directory.figures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make {directory.path}: {error}") from error
        config.save(directory.config_file)
        return directory

    def results(self) -> dict[str, Any] | None:
        """Read the results; None before the training has ended."""
        return read_json(self.results_file) if self.results_file.is_file() else None


class Recorder:
    """Curves, progress and figures of one training.

    Args:
        directory: where they go; what an earlier attempt left there is replaced.
        console: where the progress is shown.
        title: in front of the progress.
        device: where the training runs.
        argv: the command, for ``command.txt``.
    """

    def __init__(
        self,
        directory: TaskDirectory,
        console: Console,
        title: str,
        device: torch.device,
        argv: list[str] | None = None,
    ) -> None:
        self.directory, self.device, self._console = directory, device, console
        _remove_earlier(directory)
        write_json(directory.environment_file, describe_environment(device))
        if argv:
            directory.command_file.write_text(shlex.join(argv) + "\n", encoding="utf8")
        self._metrics = directory.metrics_file.open("w", encoding="utf8")
        self._tensorboard = SummaryWriter(log_dir=str(directory.path))
        self._progress = TaskProgress(console, title)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        self._metrics.close()
        self._tensorboard.close()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append one point to every curve.

        Args:
            step: what the curves are drawn over: optimiser steps.
            values: by TensorBoard tag, for example ``test/accuracy``.
        """
        finite = {tag: float(v) if math.isfinite(v) else None for tag, v in values.items()}
        self._metrics.write(json.dumps({"step": step} | finite) + "\n")
        self._metrics.flush()
        for tag, value in values.items():
            self._tensorboard.add_scalar(tag, value, step)

    def show(self, done: float, line: str = "") -> None:
        """Show how far the training is.

        Args:
            done: the part that is done, from 0 to 1.
            line: what is reached so far, for a person.
        """
        self._progress.update(done, line)

    def figure_path(self, name: str) -> Path:
        """Return where a figure goes, for example ``figure_path("predictions.png")``."""
        return self.directory.figures / name

    def figure(self, name: str, draw: Callable[[Figure], None]) -> None:
        """Draw a figure and keep it; without matplotlib say how to get it instead.

        Args:
            name: of the file, with its ending.
            draw: draws on an empty `matplotlib.figure.Figure`.
        """
        try:
            from matplotlib.figure import Figure as EmptyFigure
        except ModuleNotFoundError:
            self._console.print(f"no {name}: pip install 'rl-coordconv[report]'", markup=False)
            return
        figure = EmptyFigure(layout="constrained")
        draw(figure)
        figure.savefig(self.figure_path(name), dpi=120, bbox_inches="tight")


def _remove_earlier(directory: TaskDirectory) -> None:
    directory.results_file.unlink(missing_ok=True)
    for events in directory.path.glob("events.out.tfevents.*"):
        events.unlink()
