"""Putting layers with extra channels in the place of a network's convolutions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from stable_baselines3.common.policies import BasePolicy
from torch import nn

from rl_coordconv.layers import ConstantConv2d, CoordConv2d, zero_coordinate_weights_

Where = Literal["first", "all"]
CoordinateInit = Literal["default", "zero"]
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
) -> None:
    """Replace the first or all convolutions of a network in place, with new weights."""
    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d)
    ]
    for parent, name, conv in found[:1] if where == "first" else found:
        new = layer(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            with_r=with_r,
            coordinate_init=coordinate_init,
            coordinate_scale=coordinate_scale,
        )
        setattr(parent, name, new)


def keep_zero_coordinates(
    module: nn.Module, function: Callable[[nn.Module], Any], coordinate_init: CoordinateInit
) -> None:
    """Make coordinate weights zero again after a policy has initialised all weights its own way.

    stable-baselines3's actor-critic policies pass `BasePolicy.init_weights` to ``module.apply``
    when they are built. Every other function that is applied leaves the weights alone here.
    """
    is_initialising = isinstance(function, partial) and function.func is BasePolicy.init_weights
    if coordinate_init == "zero" and is_initialising:
        zero_coordinate_weights_(module)
