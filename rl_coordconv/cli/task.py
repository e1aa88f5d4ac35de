"""``rl-coordconv task``: the paper's coordinate tasks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.cli.arguments import given_flags, parse
from rl_coordconv.cli.options import parse_options
from rl_coordconv.cli.outputs import check_folder
from rl_coordconv.machine.hardware import check_threads

if TYPE_CHECKING:
    from rich.console import Console

    from rl_coordconv.tasks.task import Task

MAX_SEEDS = 1000
"""Trainings of one command, for each model."""
_NOT_WITH_ALL = ("--model", "--split", "--set", "--seed")


@dataclass(frozen=True)
class TaskArguments:
    """Train a network on one of the paper's tasks, or make the table of all coordinate tasks.

    Configuration, curves, figures and results go to a directory of their own below --output; what
    has its results already is not trained again.
    """

    task: str | None = None
    """classification, regression or rendering (of coordinates); digits, detection or generation
    (which need the extra [tasks])."""
    model: str = "coordconv"
    """coordconv, or a baseline without coordinates; --list tells each task's."""
    split: str | None = None
    """Of the coordinate tasks: uniform (default), quadrant or uniform-80-20."""
    recipe: str = "default"
    """default, or paper for the released code's own."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Changes of the recipe, for example epochs=10."""
    seed: int = 0
    """The first seed, of the weights and of the order of the samples."""
    seeds: int = 1
    """How many seeds, one after the other."""
    all: bool = False
    """Train every model on both splits of the coordinate tasks, or of --task alone in all its
    variants, and write table.md, beside the paper's figures."""
    baseline_seeds: int = 1
    """Seeds of the baselines with --all; they take most of the time."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs."""
    threads: int | None = None
    """Threads of torch; default: the cores this process may use."""
    output: Path = Path("runs/tasks")
    """The directory of directories."""
    list: bool = False
    """Show every task with its models, splits and recipes."""


def run(argv: list[str]) -> int:
    """Parse the flags, train, and say what was reached."""
    arguments = parse(TaskArguments, argv, command="task")
    _check_flags(arguments, argv)
    console = PlainConsole()
    if arguments.list:
        _show_tasks(console)
        return 0
    _set_threads(arguments.threads)
    if arguments.all:
        _train_all(arguments, console)
        return 0
    if arguments.task is None:
        from rl_coordconv.tasks.catalogue import task_names

        raise InputError(f"--task is missing (allowed: {', '.join(task_names())}), or --all")
    _train_one(arguments, arguments.task, console)
    return 0


def _check_flags(arguments: TaskArguments, argv: list[str]) -> None:
    for name in ("seeds", "baseline_seeds"):
        value = getattr(arguments, name)
        if value < 1:
            raise InputError(f"--{name.replace('_', '-')} {shown(value)} is not at least 1")
        if value > MAX_SEEDS:
            raise InputError(
                f"--{name.replace('_', '-')} {shown(value)} is not at most {MAX_SEEDS:,}"
            )
    check_threads(arguments.threads)
    given = given_flags(argv)
    useless = _NOT_WITH_ALL if arguments.all else ("--baseline-seeds",)
    for flag in useless:
        if flag in given and not arguments.list:
            place = "with" if arguments.all else "without"
            raise InputError(f"{flag} has no effect {place} --all")
    check_folder("--output", arguments.output)


def _set_threads(threads: int | None) -> None:
    import torch

    from rl_coordconv.machine.hardware import available_cores

    torch.set_num_threads(threads or min(available_cores(), torch.get_num_threads()))


def _train_one(arguments: TaskArguments, name: str, console: Console) -> None:
    from rl_coordconv.tasks.catalogue import find_task
    from rl_coordconv.tasks.resolve import resolve_task

    task = find_task(name)
    changes = parse_options(arguments.set, example="epochs=10")
    configs = [
        resolve_task(
            task,
            model=arguments.model,
            split=arguments.split,
            recipe=arguments.recipe,
            changes=changes,
            seed=seed,
        )
        for seed in range(arguments.seed, arguments.seed + arguments.seeds)
    ]
    results = [_carry_out(task, config, arguments, console) for config in configs]
    if len(results) > 1:
        from rl_coordconv.tasks.summary import seeds_line

        console.print(seeds_line(task, configs[0], results))


def _carry_out(
    task: Task, config: Any, arguments: TaskArguments, console: Console
) -> dict[str, Any]:
    from rl_coordconv.tasks.run import run_task
    from rl_coordconv.tasks.summary import summary_lines

    directory, results = run_task(
        task,
        config,
        arguments.output,
        console,
        device=arguments.device,
        argv=[Path(sys.executable).name, *sys.argv],
    )
    console.print("\n".join(summary_lines(task, config, directory, results)))
    return results


def _train_all(arguments: TaskArguments, console: Console) -> None:
    from rl_coordconv._util.files import write_text
    from rl_coordconv.tasks.catalogue import find_task
    from rl_coordconv.tasks.table import TABLE_TASKS, markdown_table, table_configs, table_rows

    names = (arguments.task,) if arguments.task else TABLE_TASKS
    plan = [
        (find_task(name), config)
        for name in names
        for config in table_configs(
            find_task(name), arguments.seeds, arguments.baseline_seeds, arguments.recipe
        )
    ]
    for task, config in plan:
        _carry_out(task, config, arguments, console)
    text = markdown_table(table_rows(plan, arguments.output))
    write_text(arguments.output / "table.md", text)
    console.print(f"\n{text}")


def _show_tasks(console: Console) -> None:
    from rl_coordconv.tasks.catalogue import find_task, task_names

    for name in task_names():
        task = find_task(name)
        console.print(f"[bold]{name}[/]: {task.purpose}", markup=True)
        console.print(f"  splits: {', '.join(task.splits)}")
        for model, described in task.models.items():
            recipes = ", ".join(task.recipes(model, task.splits[0]))
            console.print(f"  {model}: {described} (recipes: {recipes})")
