"""What the networks predict over the whole canvas, as the paper draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rl_coordconv.tasks.fitting import Fit, Problem, Samples
from rl_coordconv.tasks.squares.canvas import SIDE, split_positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN, TEST, WRONG = "#4c5b6b", "#d1551f", "#c2185b"
_EXAMPLES = 4


def draw_classification(figure: Figure, split: str, problem: Problem, result: Fit) -> None:
    """Draw which pixels are found, and where the test samples' probability lies."""
    figure.set_size_inches(8, 4.6)
    left, right = figure.subplots(1, 2)
    parts = split_positions(split)
    for positions, scores, colour, name in (
        (parts.train, result.train_scores, TRAIN, "train"),
        (parts.test, result.test_scores, TEST, "test"),
    ):
        found = scores > 0
        share = f"{name}: {100 * found.float().mean():.1f} % right"
        _scatter(left, positions[found], colour, share, marker="s")
        _scatter(left, positions[~found], colour, f"{name}, wrong", marker="x", alpha=0.45)
    _frame(left, "pixels that are found")
    probability = _summed_probability(problem, problem.test)
    shown = right.imshow(probability.numpy(), cmap="magma", vmin=0, vmax=1)
    _frame(right, "probability, summed over the test samples", legend=False)
    figure.colorbar(shown, ax=right, shrink=0.8)


def draw_regression(figure: Figure, split: str, problem: Problem, result: Fit) -> None:
    """Draw the predicted positions of the training and of the test samples."""
    figure.set_size_inches(8, 4.6)
    parts = split_positions(split)
    for axes, positions, samples, scores, colour, name in zip(
        figure.subplots(1, 2),
        (parts.train, parts.test),
        (problem.train, problem.test),
        (result.train_scores, result.test_scores),
        (TRAIN, TEST),
        ("train", "test"),
        strict=True,
    ):
        predicted = _outputs(problem, samples) * SIDE
        _scatter(axes, positions, "#cccccc", "right place", marker="s")
        _scatter(axes, predicted, colour, "predicted", marker="o", size=3)
        _frame(axes, f"{name}: {scores.mean():.2f} pixels off on average")


def draw_rendering(figure: Figure, split: str, problem: Problem, result: Fit) -> None:
    """Draw the overlap at every position, and test images beside what was painted."""
    figure.set_size_inches(9, 4.3)
    parts = split_positions(split)
    map_axes, *small = figure.subplot_mosaic(
        [["map", "map", *(f"t{i}" for i in range(_EXAMPLES))],
         ["map", "map", *(f"p{i}" for i in range(_EXAMPLES))]]
    ).values()  # fmt: skip
    canvas = torch.full((SIDE, SIDE), float("nan"))
    for positions, scores in (
        (parts.train, result.train_scores),
        (parts.test, result.test_scores),
    ):
        canvas[positions[:, 1], positions[:, 0]] = scores
    shown = map_axes.imshow(canvas.numpy(), cmap="viridis", vmin=0, vmax=1)
    figure.colorbar(shown, ax=map_axes, shrink=0.6, label="intersection over union")
    means = (result.train_scores.mean(), result.test_scores.mean())
    _frame(map_axes, "train {:.3f}, test {:.3f}".format(*means), legend=False)
    chosen = torch.linspace(0, len(parts.test) - 1, _EXAMPLES).long()
    some = problem.test.take(chosen)
    painted = torch.sigmoid(_outputs(problem, some)).view(-1, SIDE, SIDE)
    rows = (some.targets[:, 0].cpu(), painted)
    for index, axes in enumerate(small):
        row, column = divmod(index, _EXAMPLES)
        axes.imshow(rows[row][column].numpy(), cmap="gray", vmin=0, vmax=1)
        _frame(axes, ("test image", "painted")[row] if column == 0 else "", legend=False)


def _outputs(problem: Problem, samples: Samples) -> Tensor:
    network = problem.network
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        outputs = [network(piece.inputs.to(device)).cpu() for piece in samples.split(64)]
    return torch.cat(outputs)


def _summed_probability(problem: Problem, samples: Samples) -> Tensor:
    logits = _outputs(problem, samples).flatten(1)
    return torch.softmax(logits, dim=1).sum(dim=0).view(SIDE, SIDE)


def _scatter(
    axes: Axes,
    positions: Tensor,
    colour: str,
    label: str,
    marker: str,
    size: float = 6,
    alpha: float = 1.0,
) -> None:
    if len(positions):
        x, y = positions[:, 0], positions[:, 1]
        axes.scatter(
            x, y, s=size, c=colour, marker=marker, label=label, alpha=alpha, linewidths=0.7
        )


def _frame(axes: Axes, title: str, legend: bool = True) -> None:
    axes.set(xlim=(-0.5, SIDE - 0.5), ylim=(SIDE - 0.5, -0.5), aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)
