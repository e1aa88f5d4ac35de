"""Looking at coordinate weights, and taking them away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from rl_coordconv.layers.conv import ExtraChannelConv2d
from rl_coordconv.layers.names import public


def extra_channel_layers(module: nn.Module) -> dict[str, ExtraChannelConv2d]:
    """Return every CoordConv2d and ConstantConv2d in a network by name; a shared one once."""
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, ExtraChannelConv2d)
    }


@public
def zero_coordinate_weights_(module: nn.Module) -> nn.Module:
    """Set all coordinate weights to zero in place; they still learn.

    Every layer then computes what the plain convolution with its image weights would.

    Args:
        module: a network or a single layer.

    Returns:
        The same module.
    """
    with torch.no_grad():
        for layer in extra_channel_layers(module).values():
            layer.coordinate_weight.zero_()
    return module


@public
def coordinate_weight_ratios(module: nn.Module) -> dict[str, float]:
    """Return how large each layer's coordinate weights are beside its image weights.

    Args:
        module: a network.

    Returns:
        The layers' names, each with the Frobenius norm of its coordinate weights divided by that
        of its image weights. A layer that is shared appears once, under its first name.
    """
    with torch.no_grad():
        return {
            name: (layer.coordinate_weight.norm() / layer.image_weight.norm()).item()
            for name, layer in extra_channel_layers(module).items()
        }


@public
@contextmanager
def without_coordinates(module: nn.Module) -> Iterator[nn.Module]:
    """Take the coordinates away for the length of a ``with`` block.

    Zeroing the weights has the effect of zeroing the channels: nothing else sees them. They come
    back exactly as they were, also when the block raises.

    Args:
        module: a network.

    Yields:
        The same module.
    """
    layers = list(extra_channel_layers(module).values())
    kept = [layer.coordinate_weight.detach().clone() for layer in layers]
    zero_coordinate_weights_(module)
    try:
        yield module
    finally:
        with torch.no_grad():
            for layer, weight in zip(layers, kept, strict=True):
                layer.coordinate_weight.copy_(weight)
