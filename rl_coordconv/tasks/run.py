"""Train one configuration of a task, or find that this is done already."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from rl_coordconv._util.files import write_json
from rl_coordconv.machine.devices import resolve_device
from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.recording import Recorder, TaskDirectory
from rl_coordconv.tasks.task import Task


def run_task(
    task: Task,
    config: TaskConfig,
    output: str | Path,
    console: Console,
    *,
    device: str = "auto",
    argv: list[str] | None = None,
) -> tuple[TaskDirectory, dict[str, Any]]:
    """Train, and keep configuration, curves, figures and results in a directory of their own.

    A configuration that has its results already is not trained again.

    Args:
        task: the task of the configuration.
        config: from `resolve_task`.
        output: the directory of directories.
        console: where progress is shown.
        device: ``auto``, ``cpu`` or ``cuda``.
        argv: the command that asked for it, for ``command.txt``.

    Returns:
        The directory, and the results: those of the task and ``seconds`` of training.

    Raises:
        InputError: the device is missing or the directory cannot be made.
    """
    directory = TaskDirectory.create(config, output)
    results = directory.results()
    if results is not None:
        return directory, results
    torch.manual_seed(config.seed)
    np.random.seed(config.seed)
    began = time.monotonic()
    with Recorder(directory, console, config.name, resolve_device(device), argv) as recorder:
        results = dict(task.train(config, recorder))
    results = {"seconds": round(time.monotonic() - began, 2)} | results
    write_json(directory.results_file, results)
    return directory, results
