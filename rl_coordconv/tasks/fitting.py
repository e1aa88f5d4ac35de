"""The loop that trains a network on samples that fit into memory, and what it measures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from rl_coordconv.tasks.recipe import LARGEST, Recipe
from rl_coordconv.tasks.recording import Recorder

BETA2 = 0.99
"""Of Adam, the released code's."""
_STEP_EPOCHS, _MOST_STEPS = 200, 4
_TEST_BATCH = 64


class FitRecipe(Recipe):
    """Adam with the released code's constants; the rest is free.

    Source: the released code, ``train.py`` and ``util.py``.
    """

    l2: Annotated[float, Field(ge=0, le=LARGEST)] = 0.0
    """Added to the loss: this times the sum of the squared weights of the convolutions."""
    schedule: Literal["constant", "step", "cosine"] = "constant"
    """step: a tenth after every 200 epochs, four times at most, as the released code's
    deconvolutions; cosine: down to nothing over all epochs."""
    stop_after: Annotated[int, Field(ge=0)] = 0
    """Stop when so many epochs in a row left no mistake in the training set; 0 never stops."""


@dataclass(frozen=True)
class Samples:
    """Inputs and targets, sample by sample."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> Samples:
        """Return the samples on a device."""
        return Samples(self.inputs.to(device), self.targets.to(device))

    def take(self, indices: Tensor) -> Samples:
        """Return some of the samples."""
        return Samples(self.inputs[indices], self.targets[indices])

    def split(self, size: int) -> list[Samples]:
        """Cut the samples into pieces of a size or less."""
        pieces = zip(self.inputs.split(size), self.targets.split(size), strict=True)
        return [Samples(inputs, targets) for inputs, targets in pieces]


@dataclass(frozen=True)
class Problem:
    """A task as the loop sees it.

    Attributes:
        network: what is trained.
        train: the samples to train on.
        test: the samples to test on.
        loss: (network, samples) -> the mean loss and the network's detached output.
        score: (output, targets) -> one number a sample.
        metric: the score's name.
        is_solved: whether a mean score could not be better; None where there is no such thing.
        cached_samples: samples whose activations stay in a core's cache: on a CPU so many at a
            time go forward and back.
    """

    network: nn.Module
    train: Samples
    test: Samples
    loss: Callable[[nn.Module, Samples], tuple[Tensor, Tensor]]
    score: Callable[[Tensor, Tensor], Tensor]
    metric: str
    is_solved: Callable[[float], bool] | None = None
    cached_samples: int = 4


@dataclass
class Fit:
    """What a training came to; seconds are those of training, without testing.

    Attributes:
        train_scores: one number a training sample, at the end.
        test_scores: one number a test sample, at the end.
        seconds_to_solve: when the test samples were first solved; None if they never were.
    """

    epochs: int = 0
    seconds: float = 0.0
    seconds_to_solve: float | None = None
    train_scores: Tensor = field(default_factory=lambda: torch.empty(0))
    test_scores: Tensor = field(default_factory=lambda: torch.empty(0))


def fit(problem: Problem, recipe: FitRecipe, seed: int, recorder: Recorder) -> Fit:
    """Train a network, log its curves, and score it.

    Args:
        problem: network, samples and what is asked.
        recipe: how.
        seed: of the order of the samples.
        recorder: where curves and progress go.
    """
    device = recorder.device
    network = problem.network.to(device)
    train, test = problem.train.to(device), problem.test.to(device)
    optimizer = make_optimizer(network, recipe)
    shuffle = torch.Generator().manual_seed(seed)
    result, flawless, is_solved = Fit(), 0, problem.is_solved or _never
    for epoch in range(1, recipe.epochs + 1):
        _set_learning_rate(optimizer, recipe, epoch)
        began = time.perf_counter()
        order = torch.randperm(len(train), generator=shuffle).to(device)
        loss, train_score = _train_epoch(problem, train, order, recipe, optimizer)
        result.seconds += time.perf_counter() - began
        result.epochs = epoch
        test_score = score_samples(problem, test).mean().item()
        if result.seconds_to_solve is None and is_solved(test_score):
            result.seconds_to_solve = result.seconds
        steps = epoch * math.ceil(len(train) / recipe.batch_size)
        name = problem.metric
        scores = {f"train/{name}": train_score, f"test/{name}": test_score}
        recorder.log(steps, {"train/loss": loss} | scores)
        recorder.show(
            epoch / recipe.epochs, f"{name}: train {train_score:.3f} test {test_score:.3f}"
        )
        flawless = flawless + 1 if is_solved(train_score) else 0
        if recipe.stop_after and flawless >= recipe.stop_after:
            break
    result.train_scores = score_samples(problem, train).cpu()
    result.test_scores = score_samples(problem, test).cpu()
    return result


def make_optimizer(network: nn.Module, recipe: FitRecipe) -> torch.optim.Adam:
    """Return Adam with the recipe's L2 on the kernels of convolutions alone."""
    kernels = [
        layer.weight
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    known = {id(kernel) for kernel in kernels}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
    # Half the square has the weight as its gradient, and the loss holds the whole square.
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": 2 * recipe.l2},
        {"params": rest},
    ]
    return torch.optim.Adam(groups, lr=recipe.learning_rate, betas=(0.9, BETA2), eps=1e-8)


def score_samples(problem: Problem, samples: Samples) -> Tensor:
    """Return one number a sample, (N,), with the network in its evaluation mode."""
    network = problem.network
    network.eval()
    with torch.no_grad():
        scores = [
            problem.score(network(piece.inputs), piece.targets)
            for piece in samples.split(
                _TEST_BATCH if samples.inputs.is_cuda else problem.cached_samples
            )
        ]
    network.train()
    return torch.cat(scores)


def _never(_: float) -> bool:
    return False


def _set_learning_rate(optimizer: torch.optim.Optimizer, recipe: FitRecipe, epoch: int) -> None:
    factor = 1.0
    if recipe.schedule == "step":
        factor = 0.1 ** min((epoch - 1) // _STEP_EPOCHS, _MOST_STEPS)
    elif recipe.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * (epoch - 1) / recipe.epochs))
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * factor


def _train_epoch(
    problem: Problem,
    train: Samples,
    order: Tensor,
    recipe: FitRecipe,
    optimizer: torch.optim.Optimizer,
) -> tuple[float, float]:
    """Return the epoch's mean loss and score, as they were while the weights moved."""
    size = _piece_size(problem, recipe.batch_size, train.inputs.is_cuda)
    losses, scores = [], []
    for indices in order.split(recipe.batch_size):
        optimizer.zero_grad()
        for piece in train.take(indices).split(size):
            loss, output = problem.loss(problem.network, piece)
            share = len(piece) / len(indices)
            (loss * share).backward()
            losses.append(loss.detach() * len(piece))
            scores.append(problem.score(output, piece.targets))
        optimizer.step()
    return torch.stack(losses).sum().item() / len(train), torch.cat(scores).mean().item()


def _piece_size(problem: Problem, batch_size: int, on_gpu: bool) -> int:
    """Return how many samples to compute at a time; gradients add up to the batch's."""
    needs_whole_batch = any(
        isinstance(layer, nn.BatchNorm2d) for layer in problem.network.modules()
    )
    return batch_size if needs_whole_batch or on_gpu else min(batch_size, problem.cached_samples)
