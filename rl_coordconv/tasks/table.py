"""The table of the coordinate tasks: what was reached, what the paper says, and at what cost."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_coordconv.tasks.catalogue import SQUARES
from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.recipe import DEFAULT
from rl_coordconv.tasks.recording import TaskDirectory
from rl_coordconv.tasks.resolve import resolve_task
from rl_coordconv.tasks.task import Task

TABLE_TASKS = SQUARES
TABLE_SPLITS = ("uniform", "quadrant")
OURS = "coordconv"


@dataclass(frozen=True)
class Row:
    """One model on one split in one variant of its task, over its seeds.

    Attributes:
        variant: its name; empty where a task has only one.
        scores: of the test samples, a number a seed.
        train_scores: of the training samples.
        solved: seeds that solved the test samples at some time; None where a task knows no such
            thing.
        seconds: of training until then, or altogether where that never came; the median.
        paper: what the paper reports, in words.
        label: the score's name and unit.
    """

    task: str
    model: str
    split: str
    parameters: int
    train_scores: tuple[float, ...]
    scores: tuple[float, ...]
    solved: int | None
    seconds: float
    paper: str
    label: str
    variant: str = ""

    @property
    def subject(self) -> str:
        """The task, and its variant where it has several."""
        return f"{self.task}, {self.variant}" if self.variant else self.task


def table_configs(
    task: Task, seeds: int, baseline_seeds: int, recipe: str = DEFAULT
) -> list[TaskConfig]:
    """Return what the table needs: every model on both splits, in all variants of the task.

    Args:
        task: one of the coordinate tasks, or another one, which then has its own splits.
        seeds: of the model with coordinates.
        baseline_seeds: of the others.
        recipe: its name.
    """
    splits = [split for split in task.splits if split in TABLE_SPLITS] or task.splits
    return [
        resolve_task(task, model=model, split=split, seed=seed, recipe=recipe, changes=changes)
        for changes in task.variants.values()
        for model in task.models
        for split in splits
        for seed in range(seeds if model == OURS else baseline_seeds)
    ]


def table_rows(plan: Sequence[tuple[Task, TaskConfig]], output: Path) -> list[Row]:
    """Read the results of a plan that has been carried out.

    Args:
        plan: tasks and configurations, as `table_configs` makes them.
        output: the directory of directories.
    """
    found: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    tasks = {}
    for task, config in plan:
        results = TaskDirectory(output / config.name).results()
        assert results is not None, config.name
        key = (task.name, config.model, config.split, _variant_of(task, config))
        found.setdefault(key, []).append(results)
        tasks[task.name] = task
    return [_row(tasks[key[0]], *key[1:], results) for key, results in found.items()]


def _variant_of(task: Task, config: TaskConfig) -> str:
    """Return the name of the variant that a configuration belongs to."""
    recipe = config.recipe.model_dump()
    return next(
        name
        for name, changes in task.variants.items()
        if all(recipe[key] == value for key, value in changes.items())
    )


def _row(task: Task, model: str, split: str, variant: str, results: list[dict[str, Any]]) -> Row:
    metric = task.metrics[0]
    can_be_solved = any("seconds_to_solve" in one for one in results)
    to_solve = [one.get("seconds_to_solve") for one in results]
    spent = [
        one.get("train_seconds", one["seconds"]) if seconds is None else seconds
        for one, seconds in zip(results, to_solve, strict=True)
    ]
    # What is measured of nothing but new samples has no counterpart in training.
    train_key = "train_" + metric.key.removeprefix("test_")
    return Row(
        task=task.name,
        model=model,
        split=split,
        parameters=results[0]["parameters"],
        train_scores=tuple(one[train_key] for one in results if train_key in one),
        scores=tuple(one[metric.key] for one in results),
        solved=sum(seconds is not None for seconds in to_solve) if can_be_solved else None,
        seconds=statistics.median(spent),
        paper=metric.paper.get((model, split), ""),
        label=metric.label,
        variant=variant,
    )


def markdown_table(rows: Sequence[Row]) -> str:
    """Write the rows as Markdown, and below them what CoordConv saves."""
    header = ("task", "split", "model", "parameters", "train", "test", "seeds", "the paper says",
              "solved", "training")  # fmt: skip
    lines = [_line(header), _line(["---"] * len(header))]
    lines += [_line(_cells(row)) for row in rows]
    lines += ["", *_savings(rows)]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    never = " (not solved)" if row.solved == 0 else ""
    return [
        f"{row.subject}, {row.label}",
        row.split,
        row.model,
        f"{row.parameters:,}",
        _summary(row.train_scores),
        _summary(row.scores),
        str(len(row.scores)),
        row.paper,
        "" if row.solved is None else f"{row.solved} of {len(row.scores)}",
        f"{row.seconds:,.1f} s{never}",
    ]


def _summary(scores: tuple[float, ...]) -> str:
    if not scores:
        return ""
    mean = f"{statistics.fmean(scores):.3f}"
    return mean if len(scores) == 1 else f"{mean} ({min(scores):.3f} to {max(scores):.3f})"


def _savings(rows: Sequence[Row]) -> list[str]:
    """Say, for every baseline, how much longer and larger it was than CoordConv."""
    ours = {(row.subject, row.split): row for row in rows if row.model == OURS and row.solved}
    lines = []
    for row in rows:
        best = ours.get((row.subject, row.split))
        if row.model == OURS or best is None:
            continue
        times = row.seconds / best.seconds
        longer = f"{times:.3g} times" if row.solved else f"more than {times:.3g} times"
        unsolved = "" if row.solved else ", without solving it"
        lines.append(
            f"- {row.subject}, {row.split}: {row.model} has {row.parameters / best.parameters:.3g} "
            f"times the parameters of {OURS} and trained {longer} as long{unsolved}"
        )
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
