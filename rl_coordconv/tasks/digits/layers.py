"""The layers in which the digits' networks differ: without, with, or with constant channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import nn

from rl_coordconv.layers import ConstantConv2d, CoordConv2d
from rl_coordconv.layers.conv import ExtraChannelConv2d
from rl_coordconv.tasks.networks import draw_weights_

Coordinates = Literal["plain", "scaled"]
"""plain: beside the image, as the paper has them. scaled: divided by the kernel's area, and the
image's weights as large as in a network without, so that the image counts for as much as there."""

_LAYERS: dict[str, type[nn.Conv2d]] = {
    "conv": nn.Conv2d,
    "coordconv": CoordConv2d,
    "placebo": ConstantConv2d,
}


def layer_of(model: str, coordinates: Coordinates) -> Callable[..., nn.Conv2d]:
    """Return what builds a model's layer from `nn.Conv2d`'s arguments.

    Args:
        model: ``conv``, ``coordconv`` or ``placebo``.
        coordinates: how the additional channels come in, if there are any.
    """
    layer = _LAYERS[model]
    if coordinates == "scaled" and issubclass(layer, ExtraChannelConv2d):
        return partial(layer, coordinate_scale="kernel")
    return layer


def draw_digit_weights_(network: nn.Module, coordinates: Coordinates) -> None:
    """Draw all weights, see `draw_weights_`, and scaled ones as if there were no coordinates."""
    draw_weights_(network)
    if coordinates == "plain":
        return
    for layer in network.modules():
        if isinstance(layer, ExtraChannelConv2d):
            drawn_for, image = layer.weight.shape[1], layer.image_weight.shape[1]
            with torch.no_grad():
                layer.image_weight.mul_(math.sqrt(drawn_for / image))
