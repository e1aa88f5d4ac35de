"""The residual network of IMPALA, with or without coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from torch import Tensor, nn

from rl_coordconv._util.errors import InputError
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
from rl_coordconv.layers import CoordConv2d

CHANNELS = (16, 32, 32)
SMALLEST_SIDE = 8
"""Three poolings by two leave a single pixel of eight."""


@public
class ImpalaCNN(NatureCNN):
    """The deep residual network of IMPALA: three stages of a convolution and two residual blocks.

    It shares no layer with NatureCNN; it descends from it because only to those stable-baselines3
    tells ``normalize_images``.

    Args:
        observation_space: images (channels, height, width) of at least 8 x 8 pixels: uint8 in
            [0, 255], or, with ``normalize_images=False``, any type in [0, 1] or standardised to
            [-10, 10].
        features_dim: units of the last layer.
        normalized_image: set by stable-baselines3 from the policy's ``normalize_images``.
        where: None for plain convolutions, ``"first"`` for coordinates in the first one,
            ``"last"`` in the last one of the last residual block, ``"all"`` in all fifteen.
        with_r: also give the distance from the centre; needs ``where``.
        coordinate_init: as for `CoordConvCNN`; needs ``where``.
        coordinate_scale: as for `CoordConvCNN`; needs ``where``.
        pooling: as for `PooledCNN`, like ``zero_mean``.
        zero_mean: see there.
        embedding: as for `PooledCNN`.
        width: what the channels are multiplied by; 2 in Impoola, 1 in IMPALA.

    Shape:
        (N, channels, height, width), scaled -> (N, features_dim).

    Raises:
        InputError: the observation space or a value is not allowed.

    Source:
        Espeholt et al. 2018 (arXiv 1802.01561), figure 3, right: 16, 32 and 32 channels, and 256
        units. Without its LSTM, its instruction input, its last reward and its last action. With
        ``pooling="mean"`` and ``width=2`` it is the network of Trumpp et al. 2025, "Impoola" (arXiv
        2503.05546), but for the initial weights, which are stable-baselines3's.
    """

    layer: ExtraLayer = CoordConv2d

    def __init__(
        self,
        observation_space: gym.Space,
        features_dim: int = 256,
        normalized_image: bool = False,
        *,
        where: Where | None = None,
        with_r: bool = False,
        coordinate_init: CoordinateInit = "default",
        coordinate_scale: CoordinateScale = 1.0,
        pooling: Pooling = "flatten",
        zero_mean: bool = False,
        embedding: Embedding = "none",
        width: int = 1,
    ) -> None:
        options: dict[str, Any] = {
            "with_r": with_r,
            "coordinate_init": coordinate_init,
            "coordinate_scale": coordinate_scale,
        }
        check_arguments(options | {
            "features_dim": features_dim, "pooling": pooling, "zero_mean": zero_mean,
            "embedding": embedding, "width": width,
        })  # fmt: skip
        check_embedding(embedding, pooling)
        if where is not None:
            check_arguments({"where": where})
        elif with_r or coordinate_init != "default" or coordinate_scale != 1.0:
            raise InputError(
                "with_r, coordinate_init and coordinate_scale need where='first', 'last' or 'all'"
            )
        image = check_image_space(
            observation_space,
            type(self).__name__,
            smallest_side=SMALLEST_SIDE,
            normalized_image=normalized_image,
        )
        BaseFeaturesExtractor.__init__(self, observation_space, features_dim)
        self.coordinate_init = coordinate_init
        self.cnn = _make_stages(image.shape[0], width)
        if where is not None:
            replace_convolutions(self.cnn, self.layer, where=where, zero_mean=zero_mean, **options)
        elif zero_mean:
            center_first_kernels(self.cnn)
        with torch.no_grad():
            size = self.cnn(torch.zeros(1, *image.shape)).shape[1]
        linear = nn.Sequential(nn.Linear(size, features_dim), nn.ReLU())
        self.linear = pool_(self.cnn, linear, pooling)
        embed_(self.cnn, embedding, image.shape)

    def apply(self, fn: Callable[[nn.Module], Any]) -> Self:
        """Apply a function to every module; an initialiser heeds ``coordinate_init``."""
        apply_initializer(super().apply, self, fn, self.coordinate_init)
        return self


def _make_stages(inputs: int, width: int) -> nn.Sequential:
    stages = []
    for channels in (width * one for one in CHANNELS):
        stages.append(Stage(inputs, channels))
        inputs = channels
    return nn.Sequential(*stages, nn.ReLU(), nn.Flatten())


class Stage(nn.Module):
    """A convolution, a pooling by two and two residual blocks."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.first_block = ResidualBlock(channels)
        self.second_block = ResidualBlock(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return maps of half the height and width."""
        images = self.pool(self.conv(images))
        return self.second_block(self.first_block(images))


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.second_conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return maps of the same shape."""
        inner = self.first_conv(torch.relu(images))
        return images + self.second_conv(torch.relu(inner))


# Networks pickled whole by earlier versions name them so.
_Stage, _ResidualBlock = Stage, ResidualBlock


_SHARED = ("features_dim", "pooling", "zero_mean")

SPECS = (
    ExtractorSpec("impala", ImpalaCNN, role=Role.BASELINE, options=_SHARED, colour="#2f6690"),
    ExtractorSpec(
        "impala-coordconv",
        ImpalaCNN,
        fixed={"where": "first"},
        preset=EVEN,
        options=(*_SHARED, *COORDINATE_OPTIONS),
        colour="#3a9d5d",
        format_1=("impala-coordconv", AS_PUBLISHED),
    ),
)
"""What the names of this file's class stand for."""
