"""The paper's claim on its own ground: CoordConv solves what it says, on both splits."""

import pytest
from rich.console import Console

from rl_coordconv.tasks.catalogue import find_task
from rl_coordconv.tasks.resolve import resolve_task
from rl_coordconv.tasks.run import run_task

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def reached(tmp_path, name, model, split, **changes):
    task = find_task(name)
    config = resolve_task(task, model=model, split=split, changes=changes)
    return run_task(task, config, tmp_path, Console(quiet=True))[1]


@pytest.mark.parametrize("split", ["uniform", "quadrant"])
def test_coordconv_finds_every_pixel(tmp_path, split):
    results = reached(tmp_path, "classification", "coordconv", split)
    assert results["train_accuracy"] == results["test_accuracy"] == 1.0
    assert results["seconds_to_solve"] is not None


@pytest.mark.parametrize("split", ["uniform", "quadrant"])
def test_coordconv_reads_every_position(tmp_path, split):
    assert reached(tmp_path, "regression", "coordconv", split)["test_distance"] < 1.0


@pytest.mark.parametrize("split", ["uniform", "quadrant"])
def test_coordconv_paints_every_square(tmp_path, split):
    assert reached(tmp_path, "rendering", "coordconv", split)["test_iou"] >= 0.98


def test_deconvolution_does_not_generalise_to_the_quadrant(tmp_path):
    results = reached(tmp_path, "classification", "deconv", "quadrant", epochs=60)
    assert results["train_accuracy"] > 0.5  # it has learned, but only where it was shown
    assert results["test_accuracy"] <= 0.02
