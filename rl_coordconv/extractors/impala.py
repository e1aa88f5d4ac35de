"""The residual network of IMPALA, with or without coordinates."""

from __future__ import annotations

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from rl_coordconv.extractors.images import check_image_space
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.nature import Where, check_where, like
from rl_coordconv.layers import CoordConv2d

CHANNELS = (16, 32, 32)
SMALLEST_SIDE = 8
"""Three poolings by two leave a single pixel of eight."""


@public
class ImpalaCNN(BaseFeaturesExtractor):
    """The deep residual network of IMPALA: three stages of a convolution and two residual blocks.

    Args:
        observation_space: images (channels, height, width) of at least 8 x 8 pixels: uint8, or,
            with ``normalize_images=False``, floats in [0, 1] or [-1, 1].
        features_dim: units of the last layer.
        where: None for plain convolutions, ``"first"`` for coordinates in the first one, ``"all"``
            for coordinates in every one.
        with_r: also give the distance from the centre.

    Shape:
        (N, channels, height, width) -> (N, features_dim).

    Raises:
        InputError: the observation space or a value is not allowed.

    Source:
        Espeholt et al. 2018 (arXiv 1802.01561), figure 3, right; without its LSTM.
    """

    def __init__(
        self,
        observation_space: gym.Space,
        features_dim: int = 256,
        *,
        where: Where | None = None,
        with_r: bool = False,
    ) -> None:
        if where is not None:
            check_where(where)
        # SB3 tells normalize_images only to NatureCNN's kin; the type of the image says it as well.
        image = check_image_space(
            observation_space,
            type(self).__name__,
            smallest_side=SMALLEST_SIDE,
            normalized_image=observation_space.dtype is not None
            and observation_space.dtype.kind == "f",
        )
        super().__init__(observation_space, features_dim)
        stages = []
        inputs = image.shape[0]
        for channels in CHANNELS:
            stages.append(_Stage(inputs, channels))
            inputs = channels
        self.cnn = nn.Sequential(*stages, nn.ReLU(), nn.Flatten())
        if where is not None:
            _add_coordinates(self.cnn, where, with_r)
        with torch.no_grad():
            size = self.cnn(torch.zeros(1, *image.shape)).shape[1]
        self.linear = nn.Sequential(nn.Linear(size, features_dim), nn.ReLU())

    def forward(self, observations: Tensor) -> Tensor:
        """Return the features of images."""
        features: Tensor = self.linear(self.cnn(observations))
        return features


class _Stage(nn.Module):
    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.first_block = _ResidualBlock(channels)
        self.second_block = _ResidualBlock(channels)

    def forward(self, images: Tensor) -> Tensor:
        images = self.pool(self.conv(images))
        return self.second_block(self.first_block(images))


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.second_conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        inner = self.first_conv(torch.relu(images))
        return images + self.second_conv(torch.relu(inner))


def _add_coordinates(network: nn.Module, where: Where, with_r: bool) -> None:
    found = [
        (parent, name)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d)
    ]
    for parent, name in found[:1] if where == "first" else found:
        setattr(parent, name, like(getattr(parent, name), CoordConv2d, with_r))
