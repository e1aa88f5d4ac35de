"""Boxes: anchors, box deltas, intersection over union, non-maximum suppression.

A box is (y, x, height, width): its centre and its sides, in pixels, as the released code's
``model_builder_faster_rcnn.py`` has them.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIDES = (15.0, 20.0, 25.0)
"""Anchors are as high and as wide as one of these, nine altogether."""
CELLS = 13
"""Two 5x5 convolutions without padding and two poolings leave 13 places of 64 pixels."""
N_ANCHORS = len(SIDES) ** 2


def make_anchors() -> Tensor:
    """Return the anchors of every place, (13 * 13 * 9, 4), row after row, nine a place.

    Place i of the features sees around 4 i + 8, where pixel 0 reaches from 0 to 1: a pooling
    doubles distances, and a convolution without padding begins two places in.
    """
    centers = 4.0 * torch.arange(CELLS) + 8.0
    sides = torch.tensor([(height, width) for height in SIDES for width in SIDES])
    grid = torch.stack(torch.meshgrid(centers, centers, indexing="ij"), dim=-1).view(-1, 1, 2)
    places = grid.expand(-1, N_ANCHORS, -1)
    return torch.cat((places, sides.expand(len(grid), -1, -1)), dim=-1).reshape(-1, 4)


def apply_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Apply box deltas, (..., 4): parts of the sides to the centres, factors exp to the sides."""
    centers = boxes[..., :2] + deltas[..., :2] * boxes[..., 2:]
    return torch.cat((centers, boxes[..., 2:] * deltas[..., 2:].exp()), dim=-1)


def deltas_between(before: Tensor, after: Tensor) -> Tensor:
    """Return the deltas, (..., 4), from one box to the other; the inverse of `apply_deltas`."""
    centers = (after[..., :2] - before[..., :2]) / before[..., 2:]
    return torch.cat((centers, (after[..., 2:] / before[..., 2:]).log()), dim=-1)


def clip(boxes: Tensor, side: int) -> Tensor:
    """Return what of the boxes, (..., 4), lies on a square canvas; sides of 0 if nothing does."""
    low = (boxes[..., :2] - boxes[..., 2:] / 2).clamp(0, side)
    high = (boxes[..., :2] + boxes[..., 2:] / 2).clamp(0, side)
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def pairwise_iou(some: Tensor, others: Tensor) -> Tensor:
    """Return intersection over union of every pair, (..., N, M).

    Args:
        some: (..., N, 4).
        others: (..., M, 4).
    """
    low_a, high_a = _corners(some)
    low_b, high_b = _corners(others)
    low = torch.maximum(low_a[..., :, None, :], low_b[..., None, :, :])
    high = torch.minimum(high_a[..., :, None, :], high_b[..., None, :, :])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas_a, areas_b = some[..., 2:].prod(dim=-1), others[..., 2:].prod(dim=-1)
    union = areas_a[..., :, None] + areas_b[..., None, :] - shared
    return shared / union.clamp(min=1e-6)


def suppress(boxes: Tensor, scores: Tensor, threshold: float, most: int) -> Tensor:
    """Return the indices of the boxes that are kept, best first: non-maximum suppression.

    Args:
        boxes: (N, 4).
        scores: (N,).
        threshold: a box that overlaps a better one by more than this is left out.
        most: how many are kept.
    """
    left = scores.argsort(descending=True)
    kept: list[Tensor] = []
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(best)
        overlap = pairwise_iou(boxes[best][None], boxes[left])[0]
        left = left[overlap <= threshold]
    return torch.stack(kept)


def _corners(boxes: Tensor) -> tuple[Tensor, Tensor]:
    half = boxes[..., 2:] / 2
    return boxes[..., :2] - half, boxes[..., :2] + half
