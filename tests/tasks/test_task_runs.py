"""Trainings on tasks as they lie on disk, the table of them, and the command."""

import importlib
import json
import sys

import pytest
import yaml
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_coordconv._util.files import write_json
from rl_coordconv.cli import main
from rl_coordconv.tasks import progress
from rl_coordconv.tasks.catalogue import find_task, task_names
from rl_coordconv.tasks.recording import TaskDirectory
from rl_coordconv.tasks.resolve import resolve_task
from rl_coordconv.tasks.run import run_task
from rl_coordconv.tasks.squares.canvas import Parts, split_positions
from rl_coordconv.tasks.table import Row, markdown_table, table_configs, table_rows

QUIET = Console(quiet=True)
SPLITTING = ("classification", "regression", "rendering", "figures")


@pytest.fixture(autouse=True)
def few_positions(monkeypatch):
    """Train on 60 positions and test on 20: what is learned is not the question here."""
    for name in SPLITTING:
        module = importlib.import_module(f"rl_coordconv.tasks.squares.{name}")
        monkeypatch.setattr(module, "split_positions", few)


def few(split):
    parts = split_positions(split)
    return Parts(parts.train[::40][:60], parts.test[::35][:20])


def short(model="conv-pooled", **changes):
    task = find_task("regression")
    return task, resolve_task(task, model=model, changes={"epochs": 2, "batch_size": 16} | changes)


def test_a_training_leaves_everything_behind(tmp_path):
    directory, results = run_task(*short(), tmp_path, QUIET, argv=["python", "x y.py"])
    assert directory.path.name == short()[1].name
    assert yaml.safe_load(directory.config_file.read_text())["recipe"]["epochs"] == 2
    assert directory.command_file.read_text() == "python 'x y.py'\n"
    assert json.loads(directory.environment_file.read_text())["device"] == "cpu"
    rows = [json.loads(line) for line in directory.metrics_file.read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 8]  # 60 samples in batches of 16
    assert json.loads(directory.results_file.read_text()) == results
    assert results["parameters"] == 12_914
    assert results["epochs"] == 2
    assert results["test_distance"] == pytest.approx(rows[-1]["test/distance"], rel=1e-4)
    assert (directory.figures / "predictions.png").read_bytes()[:4] == b"\x89PNG"
    assert directory.model_file.stat().st_size > 4 * 12_914
    events = EventAccumulator(str(directory.path)).Reload()
    assert [event.step for event in events.Scalars("test/distance")] == [4, 8]


def test_what_is_done_is_not_trained_again_and_what_is_not_is_begun_anew(tmp_path, monkeypatch):
    task, config = short()
    directory, first = run_task(task, config, tmp_path, QUIET)
    stamp = directory.metrics_file.stat().st_mtime_ns
    assert run_task(task, config, tmp_path, QUIET)[1] == first
    assert directory.metrics_file.stat().st_mtime_ns == stamp
    directory.results_file.unlink()  # as if it had been interrupted
    again = run_task(task, config, tmp_path, QUIET)[1]
    assert again["test_distance"] == first["test_distance"]  # the same seed
    assert len(directory.metrics_file.read_text().splitlines()) == 2
    assert len(list(directory.path.glob("events.*"))) == 1


@pytest.mark.parametrize("name", ["classification", "rendering"])
@pytest.mark.parametrize("model", ["coordconv", "deconv"])
def test_every_figure_can_be_drawn(tmp_path, name, model):
    task = find_task(name)
    changes = {"epochs": 1, "width": 1}
    config = resolve_task(task, model=model, split="quadrant", changes=changes)
    directory, results = run_task(task, config, tmp_path, QUIET)
    assert (directory.figures / "predictions.png").stat().st_size > 10_000
    assert 0 <= results[task.metrics[0].key] <= 1


def test_without_matplotlib_the_figure_is_left_out_and_says_how(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    directory, _ = run_task(*short(epochs=1), tmp_path, Console())
    assert list(directory.figures.iterdir()) == []
    assert "pip install 'rl-coordconv[report]'" in capsys.readouterr().out


def row(**changes):
    values = {
        "task": "classification", "model": "coordconv", "split": "quadrant", "parameters": 100,
        "train_scores": (1.0, 1.0), "scores": (1.0, 0.5), "solved": 1, "seconds": 2.0,
        "paper": "100 %", "label": "test accuracy",
    }  # fmt: skip
    return Row(**values | changes)


def test_the_table_says_what_was_reached_and_what_it_cost():
    deconv = row(
        model="deconv", parameters=1000, scores=(0.25,), train_scores=(), solved=0, seconds=300.0
    )
    lines = markdown_table([row(), deconv]).splitlines()
    assert lines[2] == (
        "| classification, test accuracy | quadrant | coordconv | 100 | 1.000 (1.000 to 1.000) | "
        "0.750 (0.500 to 1.000) | 2 | 100 % | 1 of 2 | 2.0 s |"
    )
    assert lines[3].endswith("|  | 0.250 | 1 | 100 % | 0 of 1 | 300.0 s (not solved) |")
    assert lines[5] == (
        "- classification, quadrant: deconv has 10 times the parameters of coordconv and trained "
        "more than 150 times as long, without solving it"
    )
    solved = markdown_table([row(), row(model="deconv", seconds=6.0)])
    assert "trained 3 times as long\n" in solved
    assert "trained" not in markdown_table([deconv])  # nothing to compare with
    unsolvable = markdown_table([row(solved=None), row(solved=None, model="conv")])
    assert unsolvable.splitlines()[2].endswith(" | 100 % |  | 2.0 s |")
    assert "trained" not in unsolvable


def test_the_table_needs_every_model_on_both_splits():
    configs = table_configs(find_task("regression"), seeds=3, baseline_seeds=1)
    assert len(configs) == 2 * (3 + 1 + 1)
    assert {config.split for config in configs} == {"uniform", "quadrant"}
    assert {config.recipe_name for config in configs} == {"default"}


def test_variants_of_a_task_have_rows_of_their_own(tmp_path):
    task = find_task("detection")
    configs = table_configs(task, seeds=2, baseline_seeds=1, recipe="paper")
    assert len(configs) == 2 * (2 + 1 + 1)
    assert {config.recipe_name for config in configs} == {"paper"}
    for number, config in enumerate(configs):
        directory = TaskDirectory.create(config, tmp_path)
        write_json(directory.results_file, {"test_iou": number, "parameters": 1, "seconds": 1.0})
    rows = table_rows([(task, config) for config in configs], tmp_path)
    assert [(row.variant, row.model, row.scores) for row in rows] == [
        ("released anchors", "conv", (0,)),
        ("released anchors", "coordconv", (1, 2)),
        ("released anchors", "placebo", (3,)),
        ("anchors in order", "conv", (4,)),
        ("anchors in order", "coordconv", (5, 6)),
        ("anchors in order", "placebo", (7,)),
    ]
    assert "| detection, anchors in order, test IOU | all | placebo |" in markdown_table(rows)


def test_rows_are_read_from_what_was_trained(tmp_path):
    task, config = short(epochs=1)
    plan = [(task, config), (task, config.model_copy(update={"seed": 1}))]
    found = [run_task(*one, tmp_path, QUIET)[1] for one in plan]
    (only,) = table_rows(plan, tmp_path)
    assert only.scores == tuple(one["test_distance"] for one in found)
    assert only.scores[0] != only.scores[1]
    assert (only.model, only.parameters, only.solved) == ("conv-pooled", 12_914, 0)
    assert only.seconds == pytest.approx(sum(one["train_seconds"] for one in found) / 2)
    assert only.paper == "poor"


def test_the_command_trains_and_tells(tmp_path, capsys):
    flags = ["--task", "regression", "--model", "conv-pooled", "--set", "epochs=1",
             "--output", str(tmp_path), "--seeds", "2", "--threads", "1"]  # fmt: skip
    assert main(["task", *flags]) == 0
    out = capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 2
    for seed in (0, 1):
        assert f"regression-conv-pooled-uniform-seed{seed}-" in out
    assert "test distance (pixels)  " in out
    assert "conv-pooled, 2 seeds: test distance (pixels) " in out
    assert "(the paper: poor)" in out
    assert out.count("results.json") == 2


def test_the_command_lists_every_task(capsys):
    assert main(["task", "--list"]) == 0
    out = capsys.readouterr().out
    for name in task_names():
        assert f"{name}: " in out
    assert "deconv: six transposed convolutions" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--task is missing (allowed: classification, regression"),
        (["--task", "clasification"], "did you mean 'classification'"),
        (["--task", "rendering", "--set", "epochs"], "not of the form KEY=VALUE"),
        (["--task", "rendering", "--seeds", "0"], "--seeds 0 is not at least 1"),
        (["--task", "rendering", "--threads", "0"], "--threads 0 is not at least 1"),
    ],
)
def test_the_command_refuses_in_one_line(flags, message, capsys, tmp_path):
    assert main(["task", *flags, "--output", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class Clock:
    """A time that the test moves."""

    now = 0.0

    def __call__(self):
        return self.now


def test_without_a_terminal_a_line_now_and_then_tells_how_far_it_is(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    shown = progress.TaskProgress(Console(width=200), "a-run")
    shown.start()
    for clock.now, done in ((10, 0.1), (40, 0.25), (50, 0.4), (71, 0.5)):
        shown.update(done, f"test IOU {done:.3f}")
    shown.stop()
    assert capsys.readouterr().out.splitlines() == [
        "a-run: 25%, test IOU 0.250, 2:00 left",
        "a-run: 50%, test IOU 0.500, 1:11 left",
    ]
