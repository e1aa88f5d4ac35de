"""Classifying digits: what something is, where coordinates should neither help nor harm.

The small counterpart of Liu et al. 2018, section 5: one CoordConv layer in ResNet-50 changed
ImageNet's accuracy by next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from rl_coordconv.layers import ConstantConv2d, CoordConv2d
from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.digits.data import CLASSES, Digits, load_digits
from rl_coordconv.tasks.fitting import FitRecipe, Problem, Samples, fit
from rl_coordconv.tasks.networks import draw_weights_
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.results import fit_results
from rl_coordconv.tasks.task import DEFAULT, Metric, Results, Task

_RECIPES = {
    DEFAULT: FitRecipe(epochs=40, batch_size=64, learning_rate=0.002, l2=1e-4, schedule="cosine")
}
_FIRST: dict[str, type[nn.Conv2d]] = {
    "conv": nn.Conv2d,
    "coordconv": CoordConv2d,
    "placebo": ConstantConv2d,
}


def _recipes(model: str, split: str) -> Mapping[str, FitRecipe]:
    return _RECIPES


class DigitClassifier(nn.Sequential):
    """Three convolutions, their average, and a linear layer.

    Shape:
        (N, 1, 28, 28) -> (N, 10), logits.

    Args:
        model: ``conv``, ``coordconv`` or ``placebo``: what the first layer is.
    """

    def __init__(self, model: str) -> None:
        super().__init__(
            _FIRST[model](1, 16, 3, padding=1),
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
        draw_weights_(self)


def _samples(digits: Digits) -> Samples:
    return Samples(digits.images[:, None], digits.labels)


def _loss(network: nn.Module, samples: Samples) -> tuple[Tensor, Tensor]:
    logits = network(samples.inputs)
    return F.cross_entropy(logits, samples.targets), logits.detach()


def _is_right(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).float()


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    assert isinstance(config.recipe, FitRecipe)
    train, test = load_digits()
    problem = Problem(
        network=DigitClassifier(config.model),
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
    recipe_type=FitRecipe,
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
