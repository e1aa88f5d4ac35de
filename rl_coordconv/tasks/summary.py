"""What a training on a task came to, as a small table for a person."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.recording import TaskDirectory
from rl_coordconv.tasks.task import Metric, Task


def summary_lines(
    task: Task, config: TaskConfig, directory: TaskDirectory, results: Mapping[str, Any]
) -> list[str]:
    """Return the lines about one training: results, the paper's, seconds, and where things are."""
    rows = [
        (metric.label, _with_paper(metric, config, _number(results.get(metric.key))))
        for metric in task.metrics
    ]
    if results.get("seconds_to_solve") is not None:
        rows.append(("solved after", f"{results['seconds_to_solve']:,.1f} s of training"))
    trained = results.get("train_seconds", results["seconds"])
    rows.append(("training", f"{trained:,.1f} s; {results['seconds']:,.1f} s with all around it"))
    rows.append(("parameters", f"{results['parameters']:,}"))
    rows += [("figure", str(path)) for path in sorted(directory.figures.glob("*.png"))]
    rows.append(("all results", str(directory.results_file)))
    return [config.name, *_aligned(rows)]


def seeds_line(task: Task, config: TaskConfig, results: Sequence[Mapping[str, Any]]) -> str:
    """Return the first metric over several seeds: mean, lowest and highest."""
    metric = task.metrics[0]
    found = [one[metric.key] for one in results if one.get(metric.key) is not None]
    if not found:
        return f"{config.model}, {len(results)} seeds: no {metric.label}"
    spread = f"{statistics.fmean(found):.3f} ({min(found):.3f} to {max(found):.3f})"
    text = _with_paper(metric, config, spread)
    return f"{config.model}, {len(found)} seeds: {metric.label} {text}"


def _with_paper(metric: Metric, config: TaskConfig, value: str) -> str:
    paper = metric.paper.get((config.model, config.split))
    return f"{value}   (the paper: {paper})" if paper else value


def _number(value: Any) -> str:
    return "none" if value is None else f"{value:.3f}"


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {text}" for name, text in rows]
