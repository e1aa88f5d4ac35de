"""Rendering: from (x, y) to an image of a white square around it.

Source: Liu et al. 2018, section 4.3. The released code's rendering does not run; networks and
losses are as its ``model_builders.py`` describes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.fitting import Problem, Samples, fit
from rl_coordconv.tasks.recipe import DEFAULT, Results
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.results import fit_results
from rl_coordconv.tasks.squares.canvas import RADIUS, SIDE, SPLITS, split_positions, square_images
from rl_coordconv.tasks.squares.figures import draw_rendering
from rl_coordconv.tasks.squares.inputs import position_inputs
from rl_coordconv.tasks.squares.networks import (
    CoordConvRenderer,
    DeconvPainter,
    begin_with_differences_,
)
from rl_coordconv.tasks.squares.recipe import SquaresRecipe
from rl_coordconv.tasks.task import Metric, Task

SOLVED_IOU = 0.98
"""A mean intersection over union from here on counts as solved."""

_COORDCONV = {
    DEFAULT: SquaresRecipe(
        epochs=30,
        batch_size=16,
        learning_rate=0.005,
        inputs="scaled",
        begin_with_differences=True,
        center_loss=0.1,
        schedule="cosine",
        stop_after=2,
    ),
    # The released README's filter size and epochs, experiment_logs.sh's rates.
    "paper": SquaresRecipe(epochs=100, batch_size=16, learning_rate=0.005),
}
_DECONV = {
    DEFAULT: SquaresRecipe(
        epochs=100, batch_size=16, learning_rate=0.005, width=2, kernel_size=2, schedule="cosine"
    ),
    "paper": SquaresRecipe(
        epochs=1000, batch_size=16, learning_rate=0.005, width=2, schedule="step"
    ),
}


def _recipes(model: str, split: str) -> Mapping[str, SquaresRecipe]:
    return _COORDCONV if model == "coordconv" else _DECONV


def make_network(model: str, recipe: SquaresRecipe) -> nn.Module:
    """Build the network of a model."""
    if model == "coordconv":
        renderer = CoordConvRenderer(recipe.width, recipe.kernel_size)
        if recipe.begin_with_differences:
            begin_with_differences_(renderer.painter)
        return renderer
    return DeconvPainter(recipe.width, recipe.kernel_size)


def _samples(positions: Tensor, recipe: SquaresRecipe) -> Samples:
    return Samples(position_inputs(positions, recipe), square_images(positions))


def _loss(recipe: SquaresRecipe, network: nn.Module, samples: Samples) -> tuple[Tensor, Tensor]:
    if isinstance(network, CoordConvRenderer):
        centers = network.painter(samples.inputs)
        logits = network.render(centers)
    else:
        centers, logits = None, network(samples.inputs)
    if recipe.loss == "mse":
        loss = F.mse_loss(logits, samples.targets)
    else:
        loss = F.binary_cross_entropy_with_logits(logits, samples.targets)
    if recipe.center_loss and centers is not None:
        pixels = center_pixels(samples.targets)
        loss = loss + recipe.center_loss * F.cross_entropy(centers.flatten(1), pixels)
    return loss, logits.detach()


def center_pixels(squares: Tensor) -> Tensor:
    """Return the index of each square's centre among the canvas's pixels, (N,) int64.

    Args:
        squares: images of one square, (N, 1, 64, 64).
    """
    rows, columns = squares.amax(dim=3)[:, 0], squares.amax(dim=2)[:, 0]
    # The first white row and column are four before the centre's.
    y, x = rows.argmax(dim=1) + RADIUS, columns.argmax(dim=1) + RADIUS
    return y * SIDE + x


def intersection_over_union(logits: Tensor, squares: Tensor) -> Tensor:
    """Return the overlap of what is painted with the square, (N,), from 0 to 1.

    Args:
        logits: a pixel is painted where its probability is above one half, (N, 1, 64, 64).
        squares: 0 and 1, (N, 1, 64, 64).
    """
    painted, wanted = logits.flatten(1) > 0, squares.flatten(1) > 0
    return (painted & wanted).sum(dim=1) / (painted | wanted).sum(dim=1)


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    recipe = config.recipe
    assert isinstance(recipe, SquaresRecipe)
    parts = split_positions(config.split)
    problem = Problem(
        network=make_network(config.model, recipe),
        train=_samples(parts.train, recipe),
        test=_samples(parts.test, recipe),
        loss=partial(_loss, recipe),
        score=intersection_over_union,
        metric="iou",
        is_solved=lambda iou: iou >= SOLVED_IOU,
    )
    result = fit(problem, recipe, config.seed, recorder)
    recorder.figure(
        "predictions.png", lambda figure: draw_rendering(figure, config.split, problem, result)
    )
    return fit_results(problem, result, recorder)


TASK = Task(
    name="rendering",
    purpose="from (x, y) to an image of a white square around it",
    models={
        "coordconv": "find the pixel with coordinates, sharpen it, then convolve",
        "deconv": "six transposed convolutions, the paper's baseline",
    },
    splits=SPLITS,
    recipe_type=SquaresRecipe,
    recipes=_recipes,
    metrics=(
        Metric(
            "test_iou",
            "test IOU",
            {
                ("coordconv", "uniform"): "about 1",
                ("coordconv", "quadrant"): "about 1",
                ("deconv", "uniform"): "0.83 at best",
                ("deconv", "quadrant"): "0.36 at best",
            },
        ),
    ),
    train=_train,
)
