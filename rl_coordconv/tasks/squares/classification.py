"""Coordinate classification: from (x, y) to that pixel among 4,096.

Source: Liu et al. 2018, section 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.fitting import Problem, Samples, fit
from rl_coordconv.tasks.recipe import DEFAULT, Results
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.results import fit_results
from rl_coordconv.tasks.squares.canvas import SPLITS, pixel_indices, split_positions
from rl_coordconv.tasks.squares.figures import draw_classification
from rl_coordconv.tasks.squares.inputs import position_inputs
from rl_coordconv.tasks.squares.networks import (
    CoordConvPainter,
    DeconvPainter,
    begin_with_differences_,
)
from rl_coordconv.tasks.squares.recipe import SquaresRecipe
from rl_coordconv.tasks.task import Metric, Task

_COORDCONV = {
    DEFAULT: SquaresRecipe(
        epochs=12,
        batch_size=16,
        learning_rate=0.005,
        schedule="cosine",
        inputs="scaled",
        begin_with_differences=True,
        stop_after=2,
    ),
    # experiment_logs.sh and the released README, with its 7,553 parameters.
    "paper": SquaresRecipe(epochs=100, batch_size=16, learning_rate=0.005, l2=0.001),
}
_DECONV = {
    DEFAULT: SquaresRecipe(
        epochs=100, batch_size=16, learning_rate=0.01, width=2, kernel_size=2, schedule="cosine"
    ),
    # The released README's example; its grid also has widths 1 and 3 and kernels 2 and 4.
    "paper": SquaresRecipe(
        epochs=1000, batch_size=16, learning_rate=0.01, l2=0.001, width=2, schedule="step"
    ),
}


def _recipes(model: str, split: str) -> Mapping[str, SquaresRecipe]:
    return _COORDCONV if model == "coordconv" else _DECONV


def make_network(model: str, recipe: SquaresRecipe) -> nn.Module:
    """Build the network of a model."""
    if model == "coordconv":
        painter = CoordConvPainter(recipe.width)
        if recipe.begin_with_differences:
            begin_with_differences_(painter)
        return painter
    return DeconvPainter(recipe.width, recipe.kernel_size)


def _samples(positions: Tensor, recipe: SquaresRecipe) -> Samples:
    return Samples(position_inputs(positions, recipe), pixel_indices(positions))


def _loss(network: nn.Module, samples: Samples) -> tuple[Tensor, Tensor]:
    logits = network(samples.inputs).flatten(1)
    return F.cross_entropy(logits, samples.targets), logits.detach()


def is_correct(logits: Tensor, pixels: Tensor) -> Tensor:
    """Return 1 where the likeliest pixel is the right one, else 0; (N,).

    Args:
        logits: (N, 4096) or (N, 1, 64, 64).
        pixels: the right ones, (N,).
    """
    return (logits.flatten(1).argmax(dim=1) == pixels).float()


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    recipe = config.recipe
    assert isinstance(recipe, SquaresRecipe)
    parts = split_positions(config.split)
    problem = Problem(
        network=make_network(config.model, recipe),
        train=_samples(parts.train, recipe),
        test=_samples(parts.test, recipe),
        loss=_loss,
        score=is_correct,
        metric="accuracy",
        is_solved=lambda accuracy: accuracy == 1.0,
    )
    result = fit(problem, recipe, config.seed, recorder)
    recorder.figure(
        "predictions.png", lambda figure: draw_classification(figure, config.split, problem, result)
    )
    return fit_results(problem, result, recorder)


TASK = Task(
    name="classification",
    purpose="from (x, y) to that pixel among 4,096",
    models={
        "coordconv": "five 1x1 convolutions, the first with coordinates",
        "deconv": "six transposed convolutions, the paper's baseline",
    },
    splits=SPLITS,
    recipe_type=SquaresRecipe,
    recipes=_recipes,
    metrics=(
        Metric(
            "test_accuracy",
            "test accuracy",
            {
                ("coordconv", "uniform"): "100 %",
                ("coordconv", "quadrant"): "100 %",
                ("deconv", "uniform"): "86 % at best",
                ("deconv", "quadrant"): "0 %",
            },
        ),
    ),
    train=_train,
)
