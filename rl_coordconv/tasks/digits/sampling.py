"""Which proposals of an image are learned from: positives on a digit, negatives on none.

Source: the released code, ``model_builder_faster_rcnn.py``, ``BoxSampler``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Positives = Literal["released", "overlap"]
"""released: proposals within the image that overlap a digit's box by more than a half, and every
box's closest one, wherever both lie; overlap: all that overlap by more than a half, and no others.
"""
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


def sample_proposals(
    overlap: Tensor, is_inside: Tensor, positives: Positives, draw: torch.Generator
) -> SampledProposals:
    """Draw positives and negatives.

    Args:
        overlap: of every proposal with every box of the image, (proposals, boxes).
        is_inside: whether a proposal lies within the image, (proposals,).
        positives: which kind.
        draw: what decides.
    """
    if positives == "overlap":
        return _sample_overlapping(overlap, draw)
    return _sample_released(overlap, is_inside, draw)


def _sample_overlapping(overlap: Tensor, draw: torch.Generator) -> SampledProposals:
    best, which = overlap.max(dim=1)
    positives = _some(torch.nonzero(best > POSITIVE)[:, 0], SAMPLES // 2, draw)
    negatives = _some(torch.nonzero(best < NEGATIVE)[:, 0], SAMPLES - len(positives), draw)
    return SampledProposals(positives, which[positives], negatives)


def _sample_released(overlap: Tensor, is_inside: Tensor, draw: torch.Generator) -> SampledProposals:
    """Draw from pairs of proposals and boxes, so that a proposal can be drawn for two boxes."""
    pairs = (overlap > POSITIVE) & is_inside[:, None]
    closest = overlap.argmax(dim=0)  # the first one where a box overlaps none
    pairs[closest, torch.arange(overlap.shape[1])] = True
    chosen = _some(torch.nonzero(pairs), SAMPLES // 2, draw)
    is_free = (overlap.amax(dim=1) < NEGATIVE) & is_inside
    is_free[closest] = False
    negatives = torch.nonzero(is_free)[:, 0]
    if not len(negatives):
        negatives = torch.nonzero(~pairs.any(dim=1))[:, 0]
    wanted = SAMPLES - SAMPLES // 2
    if len(negatives) <= wanted:  # as many as that, or fewer, are not drawn from at all there
        negatives = negatives[:0]
    return SampledProposals(chosen[:, 0], chosen[:, 1], _some(negatives, wanted, draw))


def _some(rows: Tensor, most: int, draw: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=draw)[:most]]
