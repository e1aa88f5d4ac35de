"""A small region-proposal network, with and without coordinates.

Source: the released code, ``model_builder_faster_rcnn.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rl_coordconv.tasks.digits.anchors import N_ANCHORS, Layout, Padding, make_anchors
from rl_coordconv.tasks.digits.boxes import apply_deltas
from rl_coordconv.tasks.digits.layers import Coordinates, draw_digit_weights_, layer_of


class Detector(nn.Module):
    """A region-proposal network: box deltas and a score for each anchor.

    Coordinates come in at three places: the image, the features' first convolution, and the last
    convolution of the box regression (``mover``); none in the scorer.

    Shape:
        (N, 1, 64, 64) -> deltas (N, anchors, 4) and scores (N, anchors, 2), with 1,521 anchors,
        or 2,304 with padding; score 0 is for a digit, 1 for none.

    Args:
        model: ``conv``, ``coordconv`` or ``placebo``.
        width: channels of the convolutions; the released code has 32 (and 64 in the second).
        coordinates: how they come in.
        anchors: their layout.
        padding: of the 5x5 convolutions.
    """

    anchors: Tensor

    def __init__(
        self,
        model: str,
        width: int = 32,
        coordinates: Coordinates = "plain",
        *,
        anchors: Layout = "ordered",
        padding: Padding = "valid",
    ) -> None:
        super().__init__()
        around = 2 if padding == "same" else 0
        layer = layer_of(model, coordinates)
        # These names are keys in saved models.
        self.body = nn.Sequential(
            layer(1, width, 5, padding=around),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 5, padding=around),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            layer(2 * width, width, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.mover = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            layer(width, 4 * N_ANCHORS, 1),
        )
        self.scorer = nn.Conv2d(width, 2 * N_ANCHORS, 1)
        self.register_buffer("anchors", make_anchors(anchors, padding), persistent=False)
        draw_digit_weights_(self, coordinates)
        last = self.mover[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)  # every anchor begins where it is

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the box deltas and the scores of all anchors."""
        features = self.body(images)
        return _by_anchor(self.mover(features), 4), _by_anchor(self.scorer(features), 2)

    def boxes(self, deltas: Tensor) -> Tensor:
        """Return the anchors after the box deltas, (N, anchors, 4)."""
        # The exponential of a stray delta must not become infinite.
        clamped = torch.cat((deltas[..., :2], deltas[..., 2:].clamp(-4, 4)), dim=-1)
        return apply_deltas(self.anchors, clamped)


def _by_anchor(maps: Tensor, numbers: int) -> Tensor:
    count = len(maps)
    return maps.permute(0, 2, 3, 1).reshape(count, -1, numbers)
