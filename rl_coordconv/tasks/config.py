"""The resolved configuration of one training on a task, as plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, TypeAdapter

from rl_coordconv._util.errors import InputError, shown, unknown_name
from rl_coordconv._util.files import write_text
from rl_coordconv._util.validation import validate
from rl_coordconv.tasks.task import DEFAULT, NO_SPLIT, Recipe, Task

MAX_SEED = 2**32 - 1
"""What NumPy takes."""


class TaskConfig(BaseModel):
    """Everything that decides a training's outcome, with every default resolved."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: Literal[1] = 1
    task: str
    model: str
    split: str
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    recipe_name: str = DEFAULT
    recipe: SerializeAsAny[Recipe]
    """The recipe by that name, with what was changed of it."""

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits over the configuration."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The name of the run's directory: readable, and unique to the configuration."""
        split = () if self.split == NO_SPLIT else (self.split,)
        parts = (self.task, self.model, *split, f"seed{self.seed}", self.hash)
        return "-".join(parts)

    def save(self, path: Path) -> None:
        """Write the configuration as YAML."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))


def resolve_task(
    task: Task,
    *,
    model: str,
    split: str | None = None,
    recipe: str = DEFAULT,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> TaskConfig:
    """Fill in every default and check every value before anything is built.

    Args:
        task: the task.
        model: the name of one of its models.
        split: the name of one of its splits; None takes the first.
        recipe: the name of one of the model's recipes.
        changes: values that take the place of the recipe's.
        seed: of the weights and of the order of the samples.

    Raises:
        UnknownNameError: no such model, split or recipe.
        InputError: a key that the recipe does not have, or a value that is not allowed.
    """
    split = task.splits[0] if split is None else split
    for kind, given, allowed in (("model", model, task.models), ("split", split, task.splits)):
        if given not in allowed:
            raise unknown_name(f"{kind} of task {task.name!r}", given, allowed)
    recipes = task.recipes(model, split)
    if recipe not in recipes:
        raise unknown_name(f"recipe of {task.name} with {model}", recipe, recipes)
    if seed < 0:
        raise InputError(f"seed {shown(seed)} is not at least 0")
    if seed > MAX_SEED:
        raise InputError(f"seed {shown(seed)} is not at most {MAX_SEED:,}")
    values = recipes[recipe].model_dump() | dict(changes or {})
    where, keys = f"the recipe of {task.name}", task.recipe_type.model_fields
    checked = validate(TypeAdapter(task.recipe_type), values, where=where, keys=keys)
    return TaskConfig(
        task=task.name, model=model, split=split, seed=seed, recipe_name=recipe, recipe=checked
    )
