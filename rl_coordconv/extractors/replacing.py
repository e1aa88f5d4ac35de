"""Putting layers with extra channels in the place of a network's convolutions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal

from stable_baselines3.common.policies import BasePolicy
from torch import nn

from rl_coordconv.layers import ConstantConv2d, CoordConv2d, zero_coordinate_weights_
from rl_coordconv.layers.separate import (
    copy_plain_,
    initialize_separately_,
    stream_of_its_own,
)
from rl_coordconv.layers.zero_mean import zero_mean_of

Where = Literal["first", "last", "all"]
CoordinateInit = Literal["default", "zero", "separate"]
CoordinateScale = float | Literal["kernel"]
ExtraLayer = type[CoordConv2d] | type[ConstantConv2d]


def replace_convolutions(
    network: nn.Module,
    layer: ExtraLayer,
    *,
    where: Where,
    with_r: bool,
    coordinate_init: CoordinateInit,
    coordinate_scale: CoordinateScale = 1.0,
    zero_mean: bool = False,
) -> None:
    """Replace the first, the last or all convolutions of a network in place, with new weights.

    ``zero_mean`` is for the first one, which sees the image itself, wherever the layers are.

    With ``coordinate_init="separate"`` the image's part keeps the weights that were there, and the
    global random generator its place.
    """
    found = _convolutions(network)
    is_separate = coordinate_init == "separate"
    chosen = {"first": found[:1], "last": found[-1:], "all": found}[where]
    for parent, name, conv in chosen:
        with stream_of_its_own() if is_separate else nullcontext():
            new = layer(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,  # type: ignore[arg-type]
                conv.stride,  # type: ignore[arg-type]
                conv.padding,  # type: ignore[arg-type]
                with_r=with_r,
                coordinate_init=coordinate_init,
                coordinate_scale=coordinate_scale,
                zero_mean=zero_mean and conv is found[0][2],
            )
        if is_separate:
            copy_plain_(new, conv)
        setattr(parent, name, new)
    if zero_mean and found[0] not in chosen:
        center_first_kernels(network)


def center_first_kernels(network: nn.Module) -> None:
    """Replace a network's first convolution by a `ZeroMeanConv2d` with the same parameters."""
    parent, name, conv = _convolutions(network)[0]
    setattr(parent, name, zero_mean_of(conv))


def _convolutions(network: nn.Module) -> list[tuple[nn.Module, str, nn.Conv2d]]:
    """Return every convolution with the module that holds it and its name there."""
    return [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d)
    ]


def apply_initializer(
    apply: Callable[[Callable[[nn.Module], Any]], Any],
    module: nn.Module,
    function: Callable[[nn.Module], Any],
    coordinate_init: CoordinateInit,
) -> None:
    """Apply a function to a network's modules; coordinates stay as ``coordinate_init`` has them.

    stable-baselines3's actor-critic policies pass `BasePolicy.init_weights` to ``module.apply``
    when they are built, and initialise all weights their own way. Every other function that is
    applied leaves the weights alone here.

    Args:
        apply: `nn.Module.apply` of the network.
        module: the network.
        function: what is applied.
        coordinate_init: of the network's layers.
    """
    is_initializing = isinstance(function, partial) and function.func is BasePolicy.init_weights
    if not is_initializing:
        apply(function)
    elif coordinate_init == "separate":
        apply(partial(_initialize, initialize=function))
    else:
        apply(function)
        if coordinate_init == "zero":
            zero_coordinate_weights_(module)


def _initialize(module: nn.Module, initialize: Callable[[nn.Module], Any]) -> None:
    if isinstance(module, CoordConv2d | ConstantConv2d):
        initialize_separately_(module, initialize)
    else:
        initialize(module)
