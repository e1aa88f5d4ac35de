"""What a task is: models, splits and recipes by name, and a function that trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rl_coordconv.tasks.recipe import NO_SPLIT, Recipe, Results

if TYPE_CHECKING:
    from rl_coordconv.tasks.config import TaskConfig
    from rl_coordconv.tasks.recording import Recorder


@dataclass(frozen=True)
class Metric:
    """One of a task's results, as tables show it.

    Attributes:
        key: its name in the results.
        label: its name for a reader, with its unit.
        paper: what the paper reports, in words, by model and split; absent where it says nothing.
    """

    key: str
    label: str
    paper: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A task of the command line.

    Attributes:
        name: as in ``--task``.
        purpose: what is learned, in a line.
        models: every model's name and what it is, in a line.
        splits: names of the ways to part train from test.
        recipe_type: what its recipes are checked against.
        recipes: the recipes of a model for a split, by name; `DEFAULT` is among them.
        metrics: the results that tables show.
        variants: the settings that its table compares, by their names: what each changes of the
            recipe.
        train: trains one configuration, logs through the recorder, writes figures into its
            directory, and returns the results. Weights are drawn from torch's global generator,
            which is seeded before the call.
    """

    name: str
    purpose: str
    models: Mapping[str, str]
    recipe_type: type[Recipe]
    recipes: Callable[[str, str], Mapping[str, Recipe]]
    metrics: tuple[Metric, ...]
    train: Callable[[TaskConfig, Recorder], Results]
    splits: tuple[str, ...] = (NO_SPLIT,)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
