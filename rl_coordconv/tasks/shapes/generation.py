"""Generating two-object images: do their places fill the plane?

Source: Liu et al. 2018, section 7; the details are those of the released ``train_gan.py``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.networks import count_parameters
from rl_coordconv.tasks.recipe import DEFAULT, LARGEST, Recipe, Results
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.shapes.data import Scene
from rl_coordconv.tasks.shapes.figures import draw_generation
from rl_coordconv.tasks.shapes.networks import (
    CoordConvGenerator,
    DeconvGenerator,
    Discriminator,
    draw_noise,
)
from rl_coordconv.tasks.shapes.positions import dimension, find_objects, occupied, spread
from rl_coordconv.tasks.task import Metric, Task

_TEST_SEED = 2**31
_COMPARED = ("spread", "occupied", "dimension")


class GenerationRecipe(Recipe):
    """How generator and discriminator are trained; ``learning_rate`` is the generator's."""

    discriminator_learning_rate: Annotated[float, Field(gt=0, le=LARGEST)]
    beta1: Annotated[float, Field(ge=0, lt=1)]
    beta2: Annotated[float, Field(ge=0, lt=1)]
    """Both of Adam: 0.5 and 0.999 in Radford et al. 2016, 0.9 and 0.99 in the released code."""
    train_images: Annotated[int, Field(ge=1, le=100_000_000)] = 50_000
    """Images of an epoch; each is a new one."""
    side: Literal[16, 32, 64] = 64
    """Of the canvas, in pixels."""
    width: Annotated[int, Field(ge=8, le=4096)] = 512
    """The generator's widest layer; the discriminator's first has an eighth."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Images to measure the spread on."""

    @model_validator(mode="after")
    def _check_batches(self) -> Self:
        if self.batch_size > self.train_images:
            raise ValueError(
                f"batch_size {self.batch_size} is more than the {self.train_images} train_images "
                "of an epoch: there would be nothing to learn from"
            )
        return self


_RECIPES = {
    # Half the side and a quarter of the width, for minutes on a CPU.
    DEFAULT: GenerationRecipe(
        epochs=10,
        batch_size=16,
        learning_rate=5e-4,
        discriminator_learning_rate=1e-4,
        beta1=0.5,
        beta2=0.999,
        train_images=6400,
        side=32,
        width=128,
    ),
    # The released code's: a GPU's work.
    "paper": GenerationRecipe(
        epochs=50,
        batch_size=16,
        learning_rate=5e-4,
        discriminator_learning_rate=1e-4,
        beta1=0.9,
        beta2=0.99,
    ),
}


def _recipes(model: str, split: str) -> Mapping[str, GenerationRecipe]:
    return _RECIPES


def make_networks(model: str, recipe: GenerationRecipe) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator."""
    has_coordinates = model == "coordconv"
    generator = CoordConvGenerator if has_coordinates else DeconvGenerator
    discriminator = Discriminator(recipe.side, recipe.width // 8, has_coordinates)
    return generator(recipe.side, recipe.width), discriminator


class Gan:
    """A generative adversarial network (GAN): generator and discriminator, trained in turn.

    Args:
        generator: makes images of noise.
        discriminator: tells them from real ones.
        recipe: how both are trained.
        device: where.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        recipe: GenerationRecipe,
        device: torch.device,
    ) -> None:
        self.generator, self.discriminator = generator.to(device), discriminator.to(device)
        self._device = device
        betas = (recipe.beta1, recipe.beta2)
        self._generator_optimizer = torch.optim.Adam(
            generator.parameters(), lr=recipe.learning_rate, betas=betas
        )
        self._discriminator_optimizer = torch.optim.Adam(
            discriminator.parameters(), lr=recipe.discriminator_learning_rate, betas=betas
        )

    def step(self, real: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Update both on a batch of real images; return discriminator and generator loss."""
        real = real.to(self._device)
        fake = self.generator(draw_noise(len(real), draw).to(self._device))
        logits = self.discriminator(real), self.discriminator(fake.detach())
        ones, zeros = torch.ones_like(logits[0]), torch.zeros_like(logits[0])
        discriminator_loss = cross_entropy(logits[0], ones) + cross_entropy(logits[1], zeros)
        self._discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        self._discriminator_optimizer.step()
        generator_loss = cross_entropy(self.discriminator(fake), ones)
        self._generator_optimizer.zero_grad()
        generator_loss.backward()
        self._generator_optimizer.step()
        return discriminator_loss.detach(), generator_loss.detach()

    @torch.no_grad()
    def generate(self, count: int, draw: torch.Generator) -> Tensor:
        """Return images from -1 to 1, with batch statistics as in training."""
        pieces = draw_noise(count, draw).split(100)
        images = torch.cat([self.generator(piece.to(self._device)).cpu() for piece in pieces])
        return images.clamp(-1, 1)


def measure(images: Tensor, scene: Scene) -> dict[str, float]:
    """Return how many images show both objects, and how their places fill the plane.

    ``spread`` and ``occupied`` are means of both objects, see `spread`, `occupied` and `dimension`.

    Args:
        images: (N, 3, side, side) from -1 to 1.
        scene: what they are of.
    """
    centers = find_objects(images, scene)
    both = ~centers.isnan().flatten(1).any(dim=1)
    each = (centers[:, 0], centers[:, 1])
    return {
        "found": both.float().mean().item(),
        "spread": sum(spread(one, scene) for one in each) / 2,
        "occupied": sum(occupied(one, scene) for one in each) / 2,
        "dimension": dimension(centers, scene),
    }


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    recipe = config.recipe
    assert isinstance(recipe, GenerationRecipe)
    scene, draw = Scene(recipe.side), torch.Generator().manual_seed(config.seed)
    networks = make_networks(config.model, recipe)
    gan = Gan(*networks, recipe, recorder.device)
    steps, began = 0, time.perf_counter()
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        for _ in range(recipe.train_images // recipe.batch_size):
            losses.append(torch.stack(gan.step(scene.sample(recipe.batch_size, draw), draw)))
            steps += 1
        discriminator_loss, generator_loss = torch.stack(losses).mean(dim=0).tolist()
        test = torch.Generator().manual_seed(_TEST_SEED)
        measured = measure(gan.generate(recipe.samples, test), scene)
        tags = {f"test/{name}": value for name, value in measured.items()}
        losses_by_tag = {
            "train/discriminator_loss": discriminator_loss,
            "train/generator_loss": generator_loss,
        }
        recorder.log(steps, losses_by_tag | tags)
        recorder.show(
            epoch / recipe.epochs,
            "spread {spread:.1f}, dimension {dimension:.1f}, found {found:.0%}".format(**measured),
        )
    seconds = time.perf_counter() - began
    test = torch.Generator().manual_seed(_TEST_SEED)
    images, real = gan.generate(recipe.samples, test), scene.sample(recipe.samples, test)
    recorder.figure("generated.png", lambda figure: draw_generation(figure, images, real, scene))
    state = gan.generator.state_dict()
    save_file({name: value.cpu() for name, value in state.items()}, recorder.directory.model_file)
    measured, reference = measure(images, scene), measure(real, scene)
    return {
        **{f"test_{name}": value for name, value in measured.items()},
        **{f"{name}_of_real_images": reference[name] for name in _COMPARED},
        "relative_spread": measured["spread"] / reference["spread"],
        "parameters": count_parameters(gan.generator),
        "epochs": recipe.epochs,
        "train_seconds": round(seconds, 2),
    }


TASK = Task(
    name="generation",
    purpose="from noise to images of a red and a blue object anywhere on the canvas",
    models={
        "coordconv": "noise and coordinates at every pixel, then convolutions",
        "conv": "transposed convolutions",
    },
    recipe_type=GenerationRecipe,
    recipes=_recipes,
    metrics=(
        Metric(
            "relative_spread",
            "spread of places, of real images'",
            {("conv", "all"): "collapses to a ring", ("coordconv", "all"): "covers more"},
        ),
        Metric("test_dimension", "dimension of both places (real: 3.5 to 4, a ring: 1)"),
        Metric("test_found", "share of images with both objects"),
    ),
    train=_train,
)
