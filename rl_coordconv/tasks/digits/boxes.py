"""Boxes: deltas, clipping, intersection over union, non-maximum suppression.

A box is (y, x, height, width): its centre and its sides, in pixels, as the released code's
``model_builder_faster_rcnn.py`` has them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def apply_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Apply box deltas, (..., 4): parts of the sides to the centres, factors exp to the sides."""
    centers = boxes[..., :2] + deltas[..., :2] * boxes[..., 2:]
    return torch.cat((centers, boxes[..., 2:] * deltas[..., 2:].exp()), dim=-1)


def deltas_between(before: Tensor, after: Tensor) -> Tensor:
    """Return the deltas, (..., 4), from one box to the other; the inverse of `apply_deltas`."""
    centers = (after[..., :2] - before[..., :2]) / before[..., 2:]
    return torch.cat((centers, (after[..., 2:] / before[..., 2:]).log()), dim=-1)


def clip(boxes: Tensor, side: int) -> Tensor:
    """Return boxes, (..., 4), cut at the edges of a square image, as the released code cuts them.

    Low edges lie from 0 to side - 2 then, high ones from 1 to side - 1: what lies outside becomes
    a sliver of one pixel at the edge.
    """
    low, high = corners(boxes)
    low, high = low.clamp(0, side - 2), high.clamp(1, side - 1)
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def lie_inside(boxes: Tensor, side: int) -> Tensor:
    """Tell which boxes, (..., 4), lie within a square image altogether: (...,)."""
    low, high = corners(boxes)
    return (low >= 0).all(dim=-1) & (high <= side - 1).all(dim=-1)


def pairwise_iou(some: Tensor, others: Tensor) -> Tensor:
    """Return intersection over union of every pair, (..., N, M).

    Args:
        some: (..., N, 4).
        others: (..., M, 4).
    """
    low_a, high_a = corners(some)
    low_b, high_b = corners(others)
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


def corners(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the low and the high edges of boxes, (..., 2) each: rows and columns."""
    half = boxes[..., 2:] / 2
    return boxes[..., :2] - half, boxes[..., :2] + half
