"""From what was asked for to the complete configuration of a task's training, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from rl_coordconv._util.errors import InputError, shown, unknown_name
from rl_coordconv._util.validation import validate
from rl_coordconv.tasks.config import MAX_SEED, TaskConfig
from rl_coordconv.tasks.recipe import DEFAULT
from rl_coordconv.tasks.task import Task


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
