"""Generators and discriminators of the two-object images.

Source: the released code, ``model_builders.py`` and ``train_gan.py``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rl_coordconv.layers import AddCoords, CoordConv2d
from rl_coordconv.tasks.networks import draw_weights_

NOISE = 256
"""Numbers that an image is made of, each from -1 to 1."""
_SMALLEST = 4


class DeconvGenerator(nn.Sequential):
    """A linear layer to 4 x 4, then transposed convolutions that double the side.

    Shape:
        (N, 256) -> (N, 3, side, side) from -1 to 1.

    Args:
        side: of the image: 8, 16, 32 or 64; 64 has four transposed convolutions.
        width: the channels at 4 x 4; they halve with every doubling of the side. The released code
            has 512 (6,413,315 parameters).
    """

    def __init__(self, side: int = 64, width: int = 512) -> None:
        layers: list[nn.Module] = [
            nn.Linear(NOISE, width * _SMALLEST**2),
            nn.Unflatten(1, (width, _SMALLEST, _SMALLEST)),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        doublings = int(math.log2(side // _SMALLEST))
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(width, width // 2, 5, 2, padding=2, output_padding=1),
                nn.BatchNorm2d(width // 2),
                nn.ReLU(inplace=True),
            ]
            width //= 2
        layers += [nn.ConvTranspose2d(width, 3, 5, 2, padding=2, output_padding=1), nn.Tanh()]
        super().__init__(*layers)


class CoordConvGenerator(nn.Module):
    """The noise at every pixel beside its coordinates, then convolutions at full size.

    Nothing bounds its output, as in the released code, where the discriminator sees this network's
    images before the tanh: behind one, pixels far beyond +-1 learn nothing any more, and within a
    few hundred steps every image is one saturated colour.

    Shape:
        (N, 256) -> (N, 3, side, side), -1 to 1 once it has learned.

    Args:
        side: of the image.
        width: the first layer's channels. The released code has 512 (444,931 parameters).
    """

    def __init__(self, side: int = 64, width: int = 512) -> None:
        super().__init__()
        self.side = side
        self.first = CoordConv2d(NOISE, width, 1)
        w = width // 8
        self.rest = nn.Sequential(
            nn.ReLU(inplace=True),
            *(nn.Conv2d(8 * w, 4 * w, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(4 * w, 4 * w, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(4 * w, 2 * w, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(2 * w, w, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(w, w, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(w, w, 3, padding=1), nn.ReLU(inplace=True)),
            nn.Conv2d(w, 3, 1),
        )
        draw_weights_(self)

    def forward(self, noise: Tensor) -> Tensor:
        """Return images."""
        # The noise is the same at every pixel: convolved once, not at each of them.
        weight, coordinates_and_bias = self.first.decompose(self.side, self.side)
        hidden = (noise @ weight[:, :, 0, 0].T)[:, :, None, None] + coordinates_and_bias
        images: Tensor = self.rest(hidden)
        return images


class Discriminator(nn.Sequential):
    """Convolutions that halve the side, then a linear layer.

    Shape:
        (N, 3, side, side) -> (N,), logits: above 0 for a real image.

    Args:
        side: of the image; it is halved down to 4.
        width: the first convolution's channels; they double. The released code has 64.
        coordinates: whether coordinates are added in front.
    """

    def __init__(self, side: int = 64, width: int = 64, coordinates: bool = False) -> None:
        layers: list[nn.Module] = [AddCoords()] if coordinates else []
        before, halvings = 5 if coordinates else 3, int(math.log2(side // _SMALLEST))
        for index in range(halvings):
            layers.append(nn.Conv2d(before, width, 5, 2, padding=2))
            layers += [nn.BatchNorm2d(width)] if index else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            before, width = width, 2 * width
        layers += [nn.Flatten(), nn.Linear(before * _SMALLEST**2, 1), nn.Flatten(0)]
        super().__init__(*layers)


def draw_noise(count: int, draw: torch.Generator) -> Tensor:
    """Return what images are made of, (count, 256), uniform from -1 to 1."""
    return torch.rand(count, NOISE, generator=draw) * 2 - 1
