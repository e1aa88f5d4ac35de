"""The CNN of Mnih et al. 2015, as stable-baselines3 builds it, with coordinates or a placebo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import gymnasium as gym
from stable_baselines3.common.torch_layers import NatureCNN
from torch import nn

from rl_coordconv.extractors.arguments import check_arguments
from rl_coordconv.extractors.embedding import Embedding, check_embedding, embed_
from rl_coordconv.extractors.forms import AS_PUBLISHED, COORDINATE_OPTIONS, EVEN
from rl_coordconv.extractors.images import check_image_space
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.pooling import Pooling, pool_
from rl_coordconv.extractors.replacing import (
    CoordinateInit,
    CoordinateScale,
    ExtraLayer,
    Where,
    apply_initializer,
    center_first_kernels,
    replace_convolutions,
)
from rl_coordconv.extractors.spec import ExtractorSpec, Role
from rl_coordconv.layers import ConstantConv2d, CoordConv2d

SMALLEST_SIDE = 36
"""Three convolutions, 8/4, 4/2 and 3/1, shrink 36 pixels to a single one."""


@public
class PooledCNN(NatureCNN):
    """NatureCNN with a choice of what becomes of its last maps.

    It descends from NatureCNN because only to those stable-baselines3 tells ``normalize_images``.

    Args:
        observation_space: as `CoordConvCNN`, like the two arguments that follow.
        features_dim: units of the last layer.
        normalized_image: set by stable-baselines3 from the policy's ``normalize_images``.
        pooling: ``"flatten"``: the last layer sees every place of every map, as NatureCNN's does;
            ``"mean"`` or ``"max"``: it sees one number a map, and the network does not know where
            something is unless the maps themselves say so; ``"softmax"``: it sees two, the place
            where the map is brightest, see `SpatialSoftmax`.
        zero_mean: whether the first convolution's kernels have their mean subtracted, see
            `ZeroMeanConv2d`.
        embedding: what is added to every place of the last maps, before their ReLU, so that the
            maps do say where: ``"none"``, ``"learned"`` (`PositionEmbedding`) or ``"sinusoids"``
            (`SinusoidalEmbedding`); needs a ``pooling``.

    Shape:
        (N, channels, height, width), scaled -> (N, features_dim).

    Raises:
        InputError: the observation space or a value is not allowed.

    Source:
        Mnih et al. 2015. Global average pooling in agents: Trumpp et al. 2025 (arXiv 2503.05546).
    """

    def __init__(
        self,
        observation_space: gym.Space,
        features_dim: int = 512,
        normalized_image: bool = False,
        *,
        pooling: Pooling = "flatten",
        zero_mean: bool = False,
        embedding: Embedding = "none",
    ) -> None:
        check_arguments({"pooling": pooling, "features_dim": features_dim, "zero_mean": zero_mean,
                         "embedding": embedding})  # fmt: skip
        check_embedding(embedding, pooling)
        image = check_image_space(
            observation_space,
            type(self).__name__,
            smallest_side=SMALLEST_SIDE,
            normalized_image=normalized_image,
        )
        super().__init__(observation_space, features_dim, normalized_image)
        self.linear = pool_(self.cnn, self.linear, pooling)
        embed_(self.cnn, embedding, image.shape)
        if zero_mean:
            center_first_kernels(self.cnn)


class _ExtraChannelCNN(PooledCNN):
    """PooledCNN with some of its convolutions given extra channels."""

    layer: ExtraLayer

    def __init__(
        self,
        observation_space: gym.Space,
        features_dim: int = 512,
        normalized_image: bool = False,
        *,
        where: Where = "first",
        with_r: bool = False,
        coordinate_init: CoordinateInit = "default",
        coordinate_scale: CoordinateScale = 1.0,
        pooling: Pooling = "flatten",
        zero_mean: bool = False,
    ) -> None:
        options: dict[str, Any] = {
            "where": where,
            "with_r": with_r,
            "coordinate_init": coordinate_init,
            "coordinate_scale": coordinate_scale,
            "zero_mean": zero_mean,
        }
        check_arguments(options)
        super().__init__(observation_space, features_dim, normalized_image, pooling=pooling)
        self.coordinate_init = coordinate_init
        replace_convolutions(self.cnn, self.layer, **options)

    def apply(self, fn: Callable[[nn.Module], Any]) -> Self:
        """Apply a function to every module; an initialiser heeds ``coordinate_init``."""
        apply_initializer(super().apply, self, fn, self.coordinate_init)
        return self


@public
class CoordConvCNN(_ExtraChannelCNN):
    """NatureCNN whose first or last convolution, or every one, is a `CoordConv2d`.

    Nothing else differs from stable-baselines3's NatureCNN. Outside `extractor_policy_kwargs`
    pass ``net_arch=[]`` beside it, because SB3 gives every extractor but NatureCNN two more hidden
    layers of 64 units. In RL Zoo's command line (without the line break)::

        -params policy_kwargs:"dict(net_arch=[],
        features_extractor_class=get_class_by_name('rl_coordconv.CoordConvCNN'))"

    Args:
        observation_space: images (channels, height, width) of at least 36 x 36 pixels: uint8 in
            [0, 255], or, with ``normalize_images=False``, any type in [0, 1] or standardised to
            [-10, 10].
        features_dim: units of the last layer.
        normalized_image: set by stable-baselines3 from the policy's ``normalize_images``.
        where: ``"first"``, ``"last"`` or ``"all"`` convolutions. In the last one, before a pooling,
            "what, at which x" arises in one step.
        with_r: also give the distance from the centre.
        coordinate_init: ``"default"`` initialises a layer's weight as one matrix, in which the
            image's part is smaller than without coordinates; ``"separate"`` the image's part as
            without coordinates, from the same random numbers, and the coordinates' part beside it;
            ``"zero"`` sets the coordinates' part to zero.
        coordinate_scale: what the coordinates, -1 to 1, are multiplied by; ``"kernel"`` for one
            over the kernel's area (1/64 in the first layer), with which Adam and RMSprop do not
            learn the coordinates 64 times as fast as a bias.
        pooling: as for `PooledCNN`.
        zero_mean: as for `PooledCNN`; the coordinates' kernels keep their mean.

    Shape:
        (N, channels, height, width), scaled -> (N, features_dim).

    Raises:
        InputError: the observation space or a value is not allowed.

    Source:
        Mnih et al. 2015; Liu et al. 2018. Liu et al. do not say which layers of their Atari agent
        were CoordConv layers.
    """

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


_SHARED = ("features_dim", "pooling", "zero_mean")
_EXTRA = (*_SHARED, *COORDINATE_OPTIONS)
_PUBLISHED = {"a2c": "6/2/1 of 9"}

SPECS = (
    # The vanilla arm is stable-baselines3's own class wherever that can do what is asked.
    ExtractorSpec(
        "cnn",
        PooledCNN,
        role=Role.BASELINE,
        options=_SHARED,
        plain=NatureCNN,
        colour="#4c5b6b",
    ),
    ExtractorSpec(
        "coordconv",
        CoordConvCNN,
        control="placebo",
        fixed={"where": "first"},
        preset=EVEN,
        options=_EXTRA,
        colour="#d1551f",
        published=_PUBLISHED,
        format_1=("coordconv-paper", {}),
    ),
    ExtractorSpec(
        "coordconv-all",
        CoordConvCNN,
        control="placebo",
        fixed={"where": "all"},
        preset=EVEN,
        options=_EXTRA,
        colour="#8f2d56",
        published=_PUBLISHED,
        format_1=("coordconv-all", AS_PUBLISHED),
    ),
    ExtractorSpec(
        "coordconv-paper",
        CoordConvCNN,
        control="placebo",
        fixed={"where": "first"},
        preset=AS_PUBLISHED,
        options=_EXTRA,
        colour="#e0a458",
        published=_PUBLISHED,
    ),
    ExtractorSpec(
        "placebo",
        PlaceboCNN,
        role=Role.CONTROL,
        fixed={"where": "first"},
        preset=EVEN,
        options=_EXTRA,
        colour="#9aa5b1",
        dashes=(0, (4, 1.5)),
        format_1=("placebo", AS_PUBLISHED),
    ),
)
"""What the names of this file's classes stand for."""
