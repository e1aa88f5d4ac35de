"""The loss of the detection task, on sampled proposals.

Source: the released code, ``model_builder_faster_rcnn.py``, ``make_losses_and_metrics``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rl_coordconv.tasks.digits.boxes import clip, deltas_between, lie_inside, pairwise_iou
from rl_coordconv.tasks.digits.detector import Detector
from rl_coordconv.tasks.digits.sampling import Positives, SampledProposals, sample_proposals
from rl_coordconv.tasks.digits.scattered import SEEN, Fields


def detection_loss(
    detector: Detector,
    fields: Fields,
    draw: torch.Generator,
    *,
    clips: bool,
    positives: Positives,
) -> Tensor:
    """Return the mean loss of a batch: smooth L1 on the deltas, cross-entropy on the scores.

    Args:
        detector: the network.
        fields: images and boxes, on the network's device.
        draw: what samples the proposals.
        clips: whether proposals and boxes are cut at the edges where their overlap is taken; the
            deltas to be learned lead to whole boxes anyway.
        positives: which proposals are learned from.
    """
    deltas, scores = detector(fields.images)
    with torch.no_grad():
        proposed, boxes = detector.boxes(deltas), fields.boxes
        if clips:
            proposed, boxes = clip(proposed, SEEN), clip(boxes, SEEN)
        overlaps = pairwise_iou(proposed, boxes).cpu()
        inside = lie_inside(proposed, SEEN).cpu()
    losses = []
    for index, overlap in enumerate(overlaps):
        sampled = sample_proposals(overlap, inside[index], positives, draw)
        parts = (deltas[index], scores[index], fields.boxes[index])
        losses.append(_image_loss(detector.anchors, *parts, sampled))
    return torch.stack(losses).mean()


def smooth_l1(differences: Tensor) -> Tensor:
    """Return the mean over the rows of (N, 4) of the released code's smooth L1, summed over four.

    Squares up to 1 and absolute values beyond: not halved, so that it jumps in slope at 1.
    """
    sizes = differences.abs()
    return torch.where(sizes > 1, sizes, differences.square()).sum(dim=1).mean()


def _image_loss(
    anchors: Tensor, deltas: Tensor, scores: Tensor, boxes: Tensor, sampled: SampledProposals
) -> Tensor:
    device, n_positives = scores.device, len(sampled.positives)
    both = torch.cat((sampled.positives, sampled.negatives)).to(device)
    labels = (torch.arange(len(both), device=device) >= n_positives).long()
    loss = F.cross_entropy(scores[both], labels)
    if n_positives:
        chosen = both[:n_positives]
        targets = deltas_between(anchors[chosen], boxes[sampled.boxes.to(device)])
        loss = loss + smooth_l1(deltas[chosen] - targets)
    return loss
