"""Classifying digits: what something is, where coordinates should neither help nor harm.

The small counterpart of Liu et al. 2018, section 5: one CoordConv layer in ResNet-50 changed
ImageNet's accuracy by next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.digits.data import CLASSES, Digits, load_digits
from rl_coordconv.tasks.digits.layers import Coordinates, draw_digit_weights_, layer_of
from rl_coordconv.tasks.fitting import FitRecipe, Problem, Samples, fit
from rl_coordconv.tasks.recipe import DEFAULT, Results
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.results import fit_results
from rl_coordconv.tasks.task import Metric, Task


class DigitsRecipe(FitRecipe):
    """How the classifier is trained."""

    coordinates: Coordinates = "plain"
    """plain or scaled, see `Coordinates`."""


_RECIPES = {
    DEFAULT: DigitsRecipe(epochs=40, batch_size=64, learning_rate=0.002, l2=1e-4, schedule="cosine")
}


def _recipes(model: str, split: str) -> Mapping[str, DigitsRecipe]:
    return _RECIPES


class DigitClassifier(nn.Sequential):
    """Three convolutions, their average, and a linear layer.

    Shape:
        (N, 1, 28, 28) -> (N, 10), logits.

    Args:
        model: ``conv``, ``coordconv`` or ``placebo``: what the first layer is.
        coordinates: how they come in there.
    """

    def __init__(self, model: str, coordinates: Coordinates = "plain") -> None:
        super().__init__(
            layer_of(model, coordinates)(1, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, CLASSES),
        )
        draw_digit_weights_(self, coordinates)


def _samples(digits: Digits) -> Samples:
    return Samples(digits.images[:, None], digits.labels)


def _loss(network: nn.Module, samples: Samples) -> tuple[Tensor, Tensor]:
    logits = network(samples.inputs)
    return F.cross_entropy(logits, samples.targets), logits.detach()


def _is_right(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).float()


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    assert isinstance(config.recipe, DigitsRecipe)
    train, test = load_digits()
    problem = Problem(
        network=DigitClassifier(config.model, config.recipe.coordinates),
        train=_samples(train),
        test=_samples(test),
        loss=_loss,
        score=_is_right,
        metric="accuracy",
        cached_samples=config.recipe.batch_size,
    )
    return fit_results(problem, fit(problem, config.recipe, config.seed, recorder), recorder)


TASK = Task(
    name="digits",
    purpose="from an image of a handwritten digit to which one it is",
    models={
        "conv": "three convolutions, their average, and a linear layer",
        "coordconv": "the same with coordinates in the first layer",
        "placebo": "the same with constant channels in the first layer",
    },
    recipe_type=DigitsRecipe,
    recipes=_recipes,
    metrics=(
        Metric(
            "test_accuracy",
            "test accuracy",
            {("coordconv", "all"): "no significant difference (on ImageNet)"},
        ),
    ),
    train=_train,
)
