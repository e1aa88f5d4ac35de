"""Every task by its name, imported when it is asked for."""

from __future__ import annotations

import importlib

from rl_coordconv._util.errors import unknown_name
from rl_coordconv.tasks.task import Task

_HOMES = {
    "classification": "squares.classification",
    "regression": "squares.regression",
    "rendering": "squares.rendering",
    "digits": "digits.classification",
    "detection": "digits.detection",
    "generation": "shapes.generation",
}
"""The module of each task, which holds it as ``TASK``."""

SQUARES = ("classification", "regression", "rendering")
"""The tasks between coordinates and pixels, which ``--all`` makes the table of."""


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks."""
    return tuple(_HOMES)


def find_task(name: str) -> Task:
    """Return a task.

    Raises:
        UnknownNameError: no task has this name; names the closest.
    """
    if name not in _HOMES:
        raise unknown_name("task", name, _HOMES)
    module = importlib.import_module(f"rl_coordconv.tasks.{_HOMES[name]}")
    task: Task = module.TASK
    return task
