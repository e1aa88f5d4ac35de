"""Configurations of tasks: defaults, names, refusals."""

import pytest
import yaml

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.tasks.catalogue import SQUARES, find_task
from rl_coordconv.tasks.recipe import DEFAULT, NO_SPLIT
from rl_coordconv.tasks.resolve import resolve_task


@pytest.mark.parametrize("name", SQUARES)
def test_every_model_has_a_default_and_the_papers_recipe(name):
    task = find_task(name)
    for model in task.models:
        for split in task.splits:
            recipes = task.recipes(model, split)
            assert {DEFAULT, "paper"} <= set(recipes)
            assert all(type(one) is task.recipe_type for one in recipes.values())


def test_the_papers_regression_is_the_released_codes():
    recipe = find_task("regression").recipes("coordconv", "uniform")["paper"]
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.l2) == (
        100, 256, 0.01, 1e-5,
    )  # fmt: skip
    assert (recipe.image_scale, recipe.coordinate_scale, recipe.center_output) == (1, 1, False)


def test_defaults_are_filled_in_and_written(tmp_path):
    config = resolve_task(find_task("classification"), model="coordconv")
    assert (config.split, config.seed, config.recipe.epochs) == ("uniform", 0, 12)
    config.save(tmp_path / "config.yaml")
    read = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert read["recipe"]["learning_rate"] == 0.005
    assert read["recipe"]["inputs"] == "scaled"
    assert config.name == f"classification-coordconv-uniform-seed0-{config.hash}"


def test_every_choice_has_a_name_of_its_own():
    task = find_task("classification")
    changed = [
        resolve_task(task, model="coordconv"),
        resolve_task(task, model="deconv"),
        resolve_task(task, model="coordconv", split="quadrant"),
        resolve_task(task, model="coordconv", recipe="paper"),
        resolve_task(task, model="coordconv", changes={"epochs": 3}),
        resolve_task(task, model="coordconv", seed=1),
    ]
    assert len({config.name for config in changed}) == len(changed)
    assert len({config.hash for config in changed}) == len(changed)
    again = resolve_task(task, model="coordconv", changes={"epochs": 12})
    assert again.hash == changed[0].hash


def test_a_task_without_splits_does_not_name_one():
    task = find_task("classification")
    config = resolve_task(task, model="coordconv").model_copy(update={"split": NO_SPLIT})
    assert config.name == f"classification-coordconv-seed0-{config.hash}"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": "coordcnv"}, "model of task 'classification' 'coordcnv'; did you mean 'coord"),
        ({"split": "quarter"}, "split of task 'classification' 'quarter'"),
        ({"recipe": "papre"}, "did you mean 'paper'"),
        ({"seed": -1}, "seed -1 is not at least 0"),
        ({"changes": {"epoch": 3}}, "epoch: unknown key .value 3.; did you mean 'epochs'"),
        ({"changes": {"epochs": 0}}, "epochs: .*greater than or equal to 1, got 0"),
        ({"changes": {"epochs": "many"}}, "epochs: .*got 'many'"),
        ({"changes": {"inputs": "raw"}}, "inputs: .*'pixels' or 'scaled', got 'raw'"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(kwargs, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        resolve_task(find_task("classification"), **{"model": "coordconv"} | kwargs)


def test_unknown_tasks_are_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match="did you mean 'regression'"):
        find_task("regresion")
