"""Sampling of positive and negative proposals, and the detection loss on them.

Source: the released code, ``model_builder_faster_rcnn.py`` and ``train_faster_rcnn.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rl_coordconv.tasks.digits.boxes import clip, deltas_between, pairwise_iou
from rl_coordconv.tasks.digits.detector import Detector
from rl_coordconv.tasks.digits.scattered import SEEN, Fields

POSITIVE, NEGATIVE = 0.5, 0.1
"""A proposal that overlaps a digit's box by more is positive; by less than the other, negative."""
SAMPLES = 12
"""Proposals of an image that are learned from: half of them positives, where there are as many."""


@dataclass(frozen=True)
class SampledProposals:
    """Proposals of one image.

    Attributes:
        positives: indices of the proposals on a digit, (P,).
        boxes: for each of them which digit, (P,).
        negatives: indices of the proposals on none, (M,).
    """

    positives: Tensor
    boxes: Tensor
    negatives: Tensor


def sample_proposals(overlap: Tensor, draw: torch.Generator) -> SampledProposals:
    """Draw positives and negatives.

    Args:
        overlap: of every proposal with every box of the image, (proposals, boxes).
        draw: what decides.
    """
    best, which = overlap.max(dim=1)
    positives = _some(torch.nonzero(best > POSITIVE)[:, 0], SAMPLES // 2, draw)
    negatives = _some(torch.nonzero(best < NEGATIVE)[:, 0], SAMPLES - len(positives), draw)
    return SampledProposals(positives, which[positives], negatives)


def detection_loss(detector: Detector, fields: Fields, draw: torch.Generator) -> Tensor:
    """Return the mean loss of a batch: smooth L1 on the deltas, cross-entropy on the scores."""
    deltas, scores = detector(fields.images)
    with torch.no_grad():
        overlaps = pairwise_iou(clip(detector.boxes(deltas), SEEN), fields.boxes).cpu()
    losses = []
    for index, overlap in enumerate(overlaps):
        sampled = sample_proposals(overlap, draw)
        losses.append(
            _image_loss(detector, deltas[index], scores[index], fields.boxes[index], sampled)
        )
    return torch.stack(losses).mean()


def _image_loss(
    detector: Detector, deltas: Tensor, scores: Tensor, boxes: Tensor, sampled: SampledProposals
) -> Tensor:
    both = torch.cat((sampled.positives, sampled.negatives)).to(scores.device)
    labels = (torch.arange(len(both), device=scores.device) >= len(sampled.positives)).long()
    loss = F.cross_entropy(scores[both], labels)
    if len(sampled.positives):
        positives = sampled.positives.to(scores.device)
        targets = deltas_between(detector.anchors[positives], boxes[sampled.boxes.to(boxes.device)])
        loss = loss + F.smooth_l1_loss(deltas[positives], targets)
    return loss


def _some(indices: Tensor, most: int, draw: torch.Generator) -> Tensor:
    return indices[torch.randperm(len(indices), generator=draw)[:most]]
