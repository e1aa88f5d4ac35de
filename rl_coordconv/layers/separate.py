"""Initialising image weights as a plain convolution's, and coordinate weights beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import skip_init

if TYPE_CHECKING:
    from rl_coordconv.layers.conv import ExtraChannelConv2d


def initialize_separately_(
    layer: ExtraChannelConv2d, initialize: Callable[[nn.Conv2d], Any]
) -> None:
    """Give image weights and bias what a plain convolution would get; the coordinates the rest.

    The coordinate weights are cut from a convolution of the layer's whole shape, initialised in
    the same way from random numbers of its own. The global generator moves on as it would for the
    plain convolution, so that whatever is drawn afterwards is the same with and without
    coordinates. Drawn on the CPU, so that the values do not depend on the device.

    Args:
        layer: is changed in place.
        initialize: fills the weight and bias of an `nn.Conv2d`.
    """
    whole, plain = _blank(layer, layer.in_channels), _blank(layer, layer.image_channels)
    with stream_of_its_own():
        initialize(whole)
    initialize(plain)
    copy_plain_(layer, plain)
    with torch.no_grad():
        layer.coordinate_weight.copy_(whole.weight[:, layer.image_channels :])


def copy_plain_(layer: ExtraChannelConv2d, plain: nn.Conv2d) -> None:
    """Copy a plain convolution's weight and bias into a layer with extra channels."""
    with torch.no_grad():
        layer.image_weight.copy_(plain.weight)
        if layer.bias is not None and plain.bias is not None:
            layer.bias.copy_(plain.bias)


@contextmanager
def stream_of_its_own() -> Iterator[None]:
    """Draw other random numbers than would be drawn next, and leave those where they were.

    They still follow from the state of torch's global CPU generator, and so from its seed.
    """
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), device="cpu")))
        yield


def _blank(layer: ExtraChannelConv2d, channels: int) -> nn.Conv2d:
    """Return a plain convolution of the layer's shape, but for its inputs, without values."""
    return skip_init(
        nn.Conv2d, channels, layer.out_channels, layer.kernel_size, bias=layer.bias is not None,
        device="cpu", dtype=layer.weight.dtype,
    )  # fmt: skip
