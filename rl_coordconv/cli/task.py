"""``rl-coordconv task``: the paper's coordinate tasks."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console

from rl_coordconv.cli.options import parse_options
from rl_coordconv.errors import InputError

if TYPE_CHECKING:
    from rl_coordconv.tasks.task import Task


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
    """Train every model on both splits of the coordinate tasks (or of --task alone), and write
    table.md, beside the paper's figures."""
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
    arguments = tyro.cli(TaskArguments, args=argv, prog="task")
    console = Console()
    if arguments.list:
        _show_tasks(console)
        return 0
    for name in ("seeds", "baseline_seeds"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(arguments, name)} is not at "
                             "least 1")  # fmt: skip
    _set_threads(arguments.threads)
    if arguments.all:
        _train_all(arguments, console)
        return 0
    if arguments.task is None:
        from rl_coordconv.tasks.catalogue import task_names

        raise InputError(f"--task is missing (allowed: {', '.join(task_names())}), or --all")
    _train_one(arguments, arguments.task, console)
    return 0


def _set_threads(threads: int | None) -> None:
    import torch

    from rl_coordconv.hardware import available_cores

    if threads is not None and threads < 1:
        raise InputError(f"--threads {threads} is not at least 1")
    torch.set_num_threads(threads or min(available_cores(), torch.get_num_threads()))


def _train_one(arguments: TaskArguments, name: str, console: Console) -> None:
    from rl_coordconv.tasks.catalogue import find_task
    from rl_coordconv.tasks.config import resolve_task

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
    for config in configs:
        _carry_out(task, config, arguments, console)


def _carry_out(task: Task, config: Any, arguments: TaskArguments, console: Console) -> None:
    from rl_coordconv.tasks.run import run_task

    directory, results = run_task(
        task,
        config,
        arguments.output,
        console,
        device=arguments.device,
        argv=[Path(sys.executable).name, *sys.argv],
    )
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value
             for name, value in results.items()}  # fmt: skip
    line = ", ".join(f"{name} {value}" for name, value in shown.items())
    console.print(f"{config.name}: {line}", soft_wrap=True, highlight=False)
    console.print(f"  {directory.path}", soft_wrap=True, highlight=False)


def _train_all(arguments: TaskArguments, console: Console) -> None:
    from rl_coordconv.files import write_text
    from rl_coordconv.tasks.catalogue import find_task
    from rl_coordconv.tasks.table import TABLE_TASKS, markdown_table, table_configs, table_rows

    names = (arguments.task,) if arguments.task else TABLE_TASKS
    plan = [
        (find_task(name), config)
        for name in names
        for config in table_configs(find_task(name), arguments.seeds, arguments.baseline_seeds)
    ]
    for task, config in plan:
        _carry_out(task, config, arguments, console)
    text = markdown_table(table_rows(plan, arguments.output))
    write_text(arguments.output / "table.md", text)
    console.print(f"\n{text}", soft_wrap=True, highlight=False, markup=False)


def _show_tasks(console: Console) -> None:
    from rl_coordconv.tasks.catalogue import find_task, task_names

    for name in task_names():
        task = find_task(name)
        console.print(f"[bold]{name}[/]: {task.purpose}", highlight=False)
        console.print(f"  splits: {', '.join(task.splits)}", highlight=False)
        for model, described in task.models.items():
            recipes = ", ".join(task.recipes(model, task.splits[0]))
            console.print(f"  {model}: {described} (recipes: {recipes})", highlight=False)
