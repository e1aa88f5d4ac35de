"""Which proposals a detector learns from, and what it loses on them.

Source: the released code, ``model_builder_faster_rcnn.py`` and ``train_faster_rcnn.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rl_coordconv.tasks.digits.boxes import clip, moves_between, pairwise_iou
from rl_coordconv.tasks.digits.detector import Detector
from rl_coordconv.tasks.digits.scattered import SEEN, Fields

POSITIVE, NEGATIVE = 0.5, 0.1
"""A proposal that overlaps a digit's box by more is a hit; by less than the other, none."""
SAMPLES = 12
"""Proposals of an image that are learned from: half of them hits, where there are as many."""


@dataclass(frozen=True)
class Chosen:
    """Proposals of one image.

    Attributes:
        hits: indices of the proposals on a digit, (P,).
        boxes: for each of them which digit, (P,).
        misses: indices of the proposals on none, (M,).
    """

    hits: Tensor
    boxes: Tensor
    misses: Tensor


def choose(overlap: Tensor, draw: torch.Generator) -> Chosen:
    """Draw hits and misses.

    Args:
        overlap: of every proposal with every box of the image, (proposals, boxes).
        draw: what decides.
    """
    best, which = overlap.max(dim=1)
    hits = _some(torch.nonzero(best > POSITIVE)[:, 0], SAMPLES // 2, draw)
    misses = _some(torch.nonzero(best < NEGATIVE)[:, 0], SAMPLES - len(hits), draw)
    return Chosen(hits, which[hits], misses)


def detection_loss(detector: Detector, fields: Fields, draw: torch.Generator) -> Tensor:
    """Return the mean loss of a batch: smooth L1 on the moves, cross-entropy on the scores."""
    moves, scores = detector(fields.images)
    with torch.no_grad():
        overlaps = pairwise_iou(clip(detector.boxes(moves), SEEN), fields.boxes).cpu()
    losses = []
    for index, overlap in enumerate(overlaps):
        chosen = choose(overlap, draw)
        losses.append(
            _image_loss(detector, moves[index], scores[index], fields.boxes[index], chosen)
        )
    return torch.stack(losses).mean()


def _image_loss(
    detector: Detector, moves: Tensor, scores: Tensor, boxes: Tensor, chosen: Chosen
) -> Tensor:
    both = torch.cat((chosen.hits, chosen.misses)).to(scores.device)
    labels = (torch.arange(len(both), device=scores.device) >= len(chosen.hits)).long()
    loss = F.cross_entropy(scores[both], labels)
    if len(chosen.hits):
        hits = chosen.hits.to(scores.device)
        wanted = moves_between(detector.anchors[hits], boxes[chosen.boxes.to(boxes.device)])
        loss = loss + F.smooth_l1_loss(moves[hits], wanted)
    return loss


def _some(indices: Tensor, most: int, draw: torch.Generator) -> Tensor:
    return indices[torch.randperm(len(indices), generator=draw)[:most]]
