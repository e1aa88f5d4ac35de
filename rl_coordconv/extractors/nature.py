"""The CNN of Mnih et al. 2015, as stable-baselines3 builds it, with coordinates or a placebo."""

from __future__ import annotations

from typing import Literal

import gymnasium as gym
from stable_baselines3.common.torch_layers import NatureCNN
from torch import nn

from rl_coordconv.errors import InputError, closest
from rl_coordconv.extractors.images import check_image_space
from rl_coordconv.extractors.names import public
from rl_coordconv.layers import ConstantConv2d, CoordConv2d

SMALLEST_SIDE = 36
"""Three convolutions, 8/4, 4/2 and 3/1, shrink 36 pixels to a single one."""

Where = Literal["first", "all"]


class _ExtraChannelCNN(NatureCNN):
    """NatureCNN with some of its convolutions given extra channels."""

    layer: type[CoordConv2d] | type[ConstantConv2d]

    def __init__(
        self,
        observation_space: gym.Space,
        features_dim: int = 512,
        normalized_image: bool = False,
        *,
        where: Where = "first",
        with_r: bool = False,
    ) -> None:
        check_where(where)
        check_image_space(
            observation_space,
            type(self).__name__,
            smallest_side=SMALLEST_SIDE,
            normalized_image=normalized_image,
        )
        super().__init__(observation_space, features_dim, normalized_image)
        replace_convolutions(self.cnn, self.layer, where=where, with_r=with_r)


@public
class CoordConvCNN(_ExtraChannelCNN):
    """NatureCNN whose first convolution, or every one, is a `CoordConv2d`.

    Nothing else differs from stable-baselines3's NatureCNN. Outside `extractor_policy_kwargs`
    pass ``net_arch=[]`` beside it, because SB3 gives every extractor but NatureCNN two more hidden
    layers of 64 units. In RL Zoo's command line::

        -params policy_kwargs:"dict(features_extractor_class=get_class_by_name('rl_coordconv.CoordConvCNN'), net_arch=[])"

    Args:
        observation_space: images (channels, height, width) of at least 36 x 36 pixels: uint8, or,
            with ``normalize_images=False``, floats in [0, 1] or [-1, 1].
        features_dim: units of the last layer.
        normalized_image: set by stable-baselines3 from the policy's ``normalize_images``.
        where: ``"first"`` or ``"all"`` convolutions.
        with_r: also give the distance from the centre.

    Shape:
        (N, channels, height, width) -> (N, features_dim).

    Raises:
        InputError: the observation space or a value is not allowed.

    Source:
        Mnih et al. 2015; Liu et al. 2018. Liu et al. do not say which layers of their Atari agent
        were CoordConv layers.
    """  # noqa: E501

    layer = CoordConv2d


@public
class PlaceboCNN(_ExtraChannelCNN):
    """`CoordConvCNN` with channels of ones in place of coordinates.

    As many parameters, with live gradients, and no position in them: what is better about
    `CoordConvCNN` than about this is due to the coordinates.

    Args:
        observation_space: as `CoordConvCNN`, like all other arguments.
    """

    layer = ConstantConv2d


def check_where(where: str) -> None:
    """Refuse what is neither ``"first"`` nor ``"all"``."""
    if where in ("first", "all"):
        return
    nearest = closest(str(where), ("first", "all"), most=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise InputError(f"unknown where={where!r}{hint} (allowed: 'first', 'all')")


def replace_convolutions(
    network: nn.Sequential,
    layer: type[CoordConv2d] | type[ConstantConv2d],
    *,
    where: Where,
    with_r: bool,
) -> None:
    """Replace the first or all convolutions of a sequence, in place."""
    indices = [index for index, part in enumerate(network) if isinstance(part, nn.Conv2d)]
    for index in indices[:1] if where == "first" else indices:
        network[index] = like(network[index], layer, with_r)


def like(
    conv: nn.Module, layer: type[CoordConv2d] | type[ConstantConv2d], with_r: bool
) -> CoordConv2d | ConstantConv2d:
    """Return a new layer with the geometry of a convolution and extra channels."""
    assert isinstance(conv, nn.Conv2d)
    return layer(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        with_r=with_r,
    )
