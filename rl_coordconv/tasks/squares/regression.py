"""Coordinate regression: from an image of one white pixel to its (x, y).

Source: Liu et al. 2018, section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rl_coordconv.layers import CoordConv2d
from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.fitting import Problem, Samples, fit
from rl_coordconv.tasks.recipe import DEFAULT, Results
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.results import fit_results
from rl_coordconv.tasks.squares.canvas import SIDE, SPLITS, onehot_images, split_positions
from rl_coordconv.tasks.squares.figures import draw_regression
from rl_coordconv.tasks.squares.networks import (
    ConvRegressor,
    CoordConvRegressor,
    PooledConvRegressor,
)
from rl_coordconv.tasks.squares.recipe import SquaresRecipe
from rl_coordconv.tasks.task import Metric, Task

SOLVED_PIXELS = 1.0
"""A mean distance below a pixel counts as solved."""

_CONV = SquaresRecipe(epochs=100, batch_size=256, learning_rate=0.001, l2=1e-5)
"""One of experiment_logs.sh's grid; the paper's conv nets need no help to learn what they can."""
_RECIPES = {
    "coordconv": {
        # Why the beginning is arranged: see `arrange_beginning_`.
        DEFAULT: SquaresRecipe(
            epochs=20,
            batch_size=128,
            learning_rate=0.01,
            schedule="cosine",
            image_scale=5.0,
            coordinate_scale=0.1,
            center_output=True,
        ),
        "paper": SquaresRecipe(epochs=100, batch_size=256, learning_rate=0.01, l2=1e-5),
    },
    "conv": {DEFAULT: _CONV, "paper": _CONV},
}


def _recipes(model: str, split: str) -> Mapping[str, SquaresRecipe]:
    return _RECIPES["coordconv" if model == "coordconv" else "conv"]


def make_network(model: str, recipe: SquaresRecipe) -> nn.Module:
    """Build the network of a model."""
    if model == "conv":
        return ConvRegressor(recipe.width)
    if model == "conv-pooled":
        return PooledConvRegressor(recipe.width)
    return CoordConvRegressor()


def arrange_beginning_(network: CoordConvRegressor, train: Samples, recipe: SquaresRecipe) -> None:
    """Begin where the maximum over the canvas is at the white pixel, whatever is drawn.

    A network without ReLUs that ends in a maximum learns only through the one pixel of the
    canvas where the maximum is. As drawn, the coordinates are as large as the image, and that
    pixel is a corner for every sample: the network sees no white pixel, and its best answer is the
    mean position. With a larger white pixel and smaller coordinates the maximum is at the white
    pixel, and stays there while the slopes are learned, because the output they need, from 0 to 1,
    is less than the white pixel's lead. The last biases then take away what the lead adds.
    """
    first, last = network[0], network[4]
    assert isinstance(first, CoordConv2d)
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        first.image_weight.mul_(recipe.image_scale)
        first.coordinate_weight.mul_(recipe.coordinate_scale)
        if recipe.center_output:
            some = train.take(torch.arange(0, len(train), 8))
            last.bias.add_((some.targets - network(some.inputs)).mean(dim=0))


def _samples(positions: Tensor) -> Samples:
    return Samples(onehot_images(positions), positions / SIDE)


def _loss(network: nn.Module, samples: Samples) -> tuple[Tensor, Tensor]:
    output = network(samples.inputs)
    return F.mse_loss(output, samples.targets), output.detach()


def pixel_distance(output: Tensor, targets: Tensor) -> Tensor:
    """Return the distances in pixels, (N,).

    Args:
        output: predicted (x, y) in parts of the canvas's side, (N, 2).
        targets: the right ones.
    """
    return (output - targets).norm(dim=1) * SIDE


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    recipe = config.recipe
    assert isinstance(recipe, SquaresRecipe)
    parts = split_positions(config.split)
    network, train = make_network(config.model, recipe), _samples(parts.train)
    if isinstance(network, CoordConvRegressor):
        arrange_beginning_(network, train, recipe)
    problem = Problem(
        network=network,
        train=train,
        test=_samples(parts.test),
        loss=_loss,
        score=pixel_distance,
        metric="distance",
        is_solved=lambda distance: distance < SOLVED_PIXELS,
    )
    result = fit(problem, recipe, config.seed, recorder)
    recorder.figure(
        "predictions.png", lambda figure: draw_regression(figure, config.split, problem, result)
    )
    return fit_results(problem, result, recorder)


TASK = Task(
    name="regression",
    purpose="from an image of one white pixel to its (x, y)",
    models={
        "coordconv": "five linear convolutions, the first with coordinates, and a maximum",
        "conv": "four convolutions and two fully connected layers, the paper's uniform baseline",
        "conv-pooled": "nine convolutions and their average, the paper's quadrant baseline",
    },
    splits=SPLITS,
    recipe_type=SquaresRecipe,
    recipes=_recipes,
    metrics=(
        Metric(
            "test_distance",
            "test distance (pixels)",
            {
                ("coordconv", "uniform"): "good",
                ("coordconv", "quadrant"): "good",
                ("conv", "uniform"): "fine",
                ("conv", "quadrant"): "fails",
                ("conv-pooled", "uniform"): "poor",
                ("conv-pooled", "quadrant"): "some",
            },
        ),
    ),
    train=_train,
)
