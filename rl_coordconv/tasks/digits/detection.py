"""Detecting scattered digits: proposals of boxes, and how well they fit.

Source: Liu et al. 2018, section 6 ("about 24 % better test IOU"); the details are those of the
released ``train_faster_rcnn.py``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor

from rl_coordconv.tasks.config import TaskConfig
from rl_coordconv.tasks.digits.anchors import Layout, Padding
from rl_coordconv.tasks.digits.boxes import clip, pairwise_iou, suppress
from rl_coordconv.tasks.digits.data import load_digits
from rl_coordconv.tasks.digits.detection_loss import detection_loss
from rl_coordconv.tasks.digits.detector import Detector
from rl_coordconv.tasks.digits.figures import draw_detection
from rl_coordconv.tasks.digits.layers import Coordinates
from rl_coordconv.tasks.digits.sampling import Positives
from rl_coordconv.tasks.digits.scattered import SEEN, Fields, scatter
from rl_coordconv.tasks.fitting import BETA2
from rl_coordconv.tasks.networks import count_parameters
from rl_coordconv.tasks.recipe import DEFAULT, Recipe, Results
from rl_coordconv.tasks.recording import Recorder
from rl_coordconv.tasks.task import Metric, Task

NMS_THRESHOLD, MOST_PROPOSALS = 0.8, 10
_TRAIN_SEED, _TEST_SEED = 1, 2
_TEST_BATCH = 50
_SHOWN_STEPS = 50


class DetectionRecipe(Recipe):
    """How the detector is trained; the defaults are the released code's."""

    train_fields: Annotated[int, Field(ge=1, le=1_000_000)] = 9000
    """Images to train on."""
    test_fields: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    width: Annotated[int, Field(ge=1, le=4096)] = 32
    """Channels of the convolutions."""
    coordinates: Coordinates = "plain"
    """plain or scaled, see `Coordinates`."""
    anchors: Layout = "released"
    """released: scrambled, see `rl_coordconv.tasks.digits.anchors`; ordered: as they were meant."""
    clip: bool = True
    """Whether proposals and boxes are cut at the image's edges where their overlap is taken."""
    padding: Padding = "valid"
    """Of the 5x5 convolutions: valid, none; same."""
    positives: Positives = "released"
    """released, or overlap: without every box's closest proposal, see `Positives`."""


_RECIPES = {
    # A few minutes on a CPU.
    DEFAULT: DetectionRecipe(epochs=3, batch_size=1, learning_rate=0.0001, test_fields=500),
    "paper": DetectionRecipe(epochs=50, batch_size=1, learning_rate=0.0001),
}


def _recipes(model: str, split: str) -> Mapping[str, DetectionRecipe]:
    return _RECIPES


@torch.no_grad()
def proposals(detector: Detector, images: Tensor, *, clips: bool) -> list[Tensor]:
    """Return the best ten boxes of every image after non-maximum suppression, best first.

    Args:
        detector: the network.
        images: (N, 1, 64, 64).
        clips: whether boxes are cut at the image's edges.
    """
    deltas, scores = detector(images)
    boxes = detector.boxes(deltas).cpu()
    if clips:
        boxes = clip(boxes, SEEN)
    digit = torch.softmax(scores, dim=-1)[..., 0].cpu()
    kept = [
        suppress(*pair, NMS_THRESHOLD, MOST_PROPOSALS) for pair in zip(boxes, digit, strict=True)
    ]
    return [every[index] for every, index in zip(boxes, kept, strict=True)]


def proposal_iou(proposed: Tensor, boxes: Tensor) -> float:
    """Return how well proposals fit: each one's overlap with its best box, on average.

    The released code's ``mean_argmax_nms_iou``.

    Args:
        proposed: (proposals, 4).
        boxes: of the digits, (5, 4).
    """
    return pairwise_iou(proposed, boxes).amax(dim=1).mean().item()


def mean_iou(detector: Detector, fields: Fields, device: torch.device, *, clips: bool) -> float:
    """Return `proposal_iou`, the mean over the images."""
    boxes = clip(fields.boxes, SEEN) if clips else fields.boxes
    total = 0.0
    for start in range(0, len(fields), _TEST_BATCH):
        part = slice(start, start + _TEST_BATCH)
        found = proposals(detector, fields.images[part].to(device), clips=clips)
        total += sum(map(proposal_iou, found, boxes[part]))
    return total / len(fields)


def _train(config: TaskConfig, recorder: Recorder) -> Results:
    recipe, device = config.recipe, recorder.device
    assert isinstance(recipe, DetectionRecipe)
    train_digits, test_digits = load_digits()
    train = scatter(train_digits, recipe.train_fields, _TRAIN_SEED)
    test = scatter(test_digits, recipe.test_fields, _TEST_SEED)
    detector = Detector(config.model, recipe.width, recipe.coordinates,
                        anchors=recipe.anchors, padding=recipe.padding)  # fmt: skip
    # Channels last, a step takes three quarters of the time on a CPU.
    detector = detector.to(memory_format=torch.channels_last).to(device)  # type: ignore
    optimizer = torch.optim.Adam(
        detector.parameters(), lr=recipe.learning_rate, betas=(0.9, BETA2), fused=True
    )
    draw = torch.Generator().manual_seed(config.seed)
    steps, seconds, iou, line = 0, 0.0, 0.0, ""
    total = recipe.epochs * math.ceil(len(train) / recipe.batch_size)
    for _ in range(recipe.epochs):
        began, losses = time.perf_counter(), []
        for indices in torch.randperm(len(train), generator=draw).split(recipe.batch_size):
            batch = Fields(train.images[indices].to(device), train.boxes[indices].to(device))
            loss = detection_loss(
                detector, batch, draw, clips=recipe.clip, positives=recipe.positives
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            steps += 1
            if steps % _SHOWN_STEPS == 0:
                recorder.show(steps / total, line)
        seconds += time.perf_counter() - began
        iou = mean_iou(detector, test, device, clips=recipe.clip)
        recorder.log(steps, {"train/loss": torch.stack(losses).mean().item(), "test/iou": iou})
        line = f"test IOU {iou:.3f}"
        recorder.show(steps / total, line)
    some = Fields(test.images[:6], test.boxes[:6])
    found = proposals(detector, some.images.to(device), clips=recipe.clip)
    recorder.figure("proposals.png", lambda figure: draw_detection(figure, some, found))
    save_file({name: value.cpu().contiguous() for name, value in detector.state_dict().items()},
              recorder.directory.model_file)  # fmt: skip
    few = slice(0, min(len(test), len(train)))
    train_part = Fields(train.images[few], train.boxes[few])
    return {
        "train_iou": mean_iou(detector, train_part, device, clips=recipe.clip),
        "test_iou": iou,
        "parameters": count_parameters(detector),
        "epochs": recipe.epochs,
        "train_seconds": round(seconds, 2),
    }


TASK = Task(
    name="detection",
    purpose="from a field of scattered digits to boxes around them",
    models={
        "conv": "a small region-proposal network",
        "coordconv": "the same with coordinates at three places",
        "placebo": "the same with constant channels at three places",
    },
    recipe_type=DetectionRecipe,
    recipes=_recipes,
    metrics=(
        Metric("test_iou", "test IOU", {("coordconv", "all"): "about 24 % better than conv"}),
    ),
    train=_train,
    variants={
        "released anchors": {"anchors": "released"},
        "anchors in order": {"anchors": "ordered"},
    },
)
