"""The networks of the paper's three coordinate tasks.

Source: the released code, ``model_builders.py``; layers and parameter counts are its own. Weights
are drawn as He et al. 2015 do (normal, from the fan-in) and biases are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from rl_coordconv.layers import CoordConv2d
from rl_coordconv.tasks.networks import draw_weights_
from rl_coordconv.tasks.squares.canvas import SIDE


class TiledCoordConv(CoordConv2d):
    """A 1x1 `CoordConv2d` on an image whose pixels are all alike.

    The image's share of the sum is then one number a channel, and it need not be painted first.

    Shape:
        (N, in_channels) -> (N, out_channels, 64, 64).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolved canvas of a vector that is the same everywhere."""
        weight, coordinates_and_bias = self.decompose(SIDE, SIDE)
        return (input @ weight[:, :, 0, 0].T)[:, :, None, None] + coordinates_and_bias


class CoordConvPainter(nn.Sequential):
    """Paint a pixel at (x, y): five 1x1 convolutions, the first a CoordConv. 7,553 parameters.

    Shape:
        (N, 2) -> (N, 1, 64, 64).

    Args:
        width: multiplies the hidden layers' channels.
    """

    def __init__(self, width: int = 1) -> None:
        super().__init__(
            TiledCoordConv(2, 32 * width),
            nn.ReLU(inplace=True),
            nn.Conv2d(32 * width, 32 * width, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32 * width, 64 * width, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64 * width, 64 * width, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64 * width, 1, 1),
        )
        draw_weights_(self)


def begin_with_differences_(painter: CoordConvPainter) -> None:
    """Let the first layer see (x, y) minus the pixel's own coordinates, and nothing else, at first.

    Drawn freely, the layer answers to the place itself as well, and what the network learns of the
    places it is shown need not hold elsewhere: it can be right on every training place and wrong
    on half of a quadrant it has never seen. No parameter is added and none is held: the weights
    are free to leave where they begin.
    """
    first = painter[0]
    assert isinstance(first, TiledCoordConv)
    with torch.no_grad():
        first.coordinate_weight.copy_(-first.image_weight)


class DeconvPainter(nn.Sequential):
    """Paint at (x, y) by six transposed convolutions: the baseline without coordinates.

    Shape:
        (N, 2) -> (N, 1, 64, 64).

    Args:
        width: multiplies the hidden layers' channels, 64, 64, 64, 32 and 32.
        kernel_size: 2, 3 or 4.
    """

    def __init__(self, width: int = 2, kernel_size: int = 3) -> None:
        channels = (2, 64 * width, 64 * width, 64 * width, 32 * width, 32 * width)
        layers: list[nn.Module] = [nn.Unflatten(1, (2, 1, 1))]
        for before, after in pairwise(channels):
            layers += [
                _doubling(before, after, kernel_size),
                nn.BatchNorm2d(after, eps=1e-5, momentum=0.1),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers, _doubling(channels[-1], 1, kernel_size))
        draw_weights_(self)


def _doubling(before: int, after: int, kernel_size: int) -> nn.ConvTranspose2d:
    """Return a transposed convolution that doubles the side, as 'same' with stride 2 does."""
    padding, output_padding = (kernel_size - 1) // 2, kernel_size % 2
    return nn.ConvTranspose2d(before, after, kernel_size, 2, padding, output_padding)


class CoordConvRegressor(nn.Sequential):
    """Read the white pixel's (x, y): linear convolutions, then a maximum. 906 parameters.

    There is no ReLU anywhere; the maximum over the canvas is what is not linear.

    Shape:
        (N, 1, 64, 64) -> (N, 2).
    """

    def __init__(self) -> None:
        super().__init__(
            CoordConv2d(1, 8, 1),
            nn.Conv2d(8, 8, 1),
            nn.Conv2d(8, 8, 1),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Conv2d(8, 2, 3, padding=1),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        draw_weights_(self)


class ConvRegressor(nn.Sequential):
    """Read (x, y) by four convolutions and two fully connected layers: the uniform baseline.

    Shape:
        (N, 1, 64, 64) -> (N, 2).

    Args:
        width: multiplies the convolutions' 16 channels; 72,850 parameters with 1.
    """

    def __init__(self, width: int = 1) -> None:
        channels = 16 * width
        layers: list[nn.Module] = []
        for before in (1, channels, channels):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)]
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
        layers += [nn.Flatten(), nn.Linear(channels * (SIDE // 8) ** 2, 64)]
        super().__init__(*layers, nn.ReLU(inplace=True), nn.Linear(64, 2))
        draw_weights_(self)


class PooledConvRegressor(nn.Sequential):
    """Read (x, y) by nine convolutions and their average: the quadrant baseline.

    Shape:
        (N, 1, 64, 64) -> (N, 2).

    Args:
        width: multiplies the 16 channels; 12,914 parameters with 1.
    """

    def __init__(self, width: int = 1) -> None:
        c = 16 * width
        relu: Callable[[], nn.Module] = lambda: nn.ReLU(inplace=True)  # noqa: E731
        super().__init__(
            *(nn.Conv2d(1, c, 5, 2, padding=2), relu()),
            *(nn.Conv2d(c, c, 1), relu(), nn.BatchNorm2d(c)),
            *(nn.Conv2d(c, c, 3, padding=1), relu()),
            *(nn.Conv2d(c, c, 3, 2, padding=1), relu()),
            *(nn.Conv2d(c, c, 3, 2, padding=1), nn.BatchNorm2d(c), relu()),
            *(nn.Conv2d(c, c, 3, 2, padding=1), relu()),
            *(nn.Conv2d(c, c, 1), relu()),
            *(nn.Conv2d(c, c, 3, 2, padding=1), relu()),
            *(nn.Conv2d(c, 2, 3, padding=1), relu()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        draw_weights_(self)


class CoordConvRenderer(nn.Module):
    """Paint a square around (x, y): find the pixel, sharpen it by a softmax, then convolve.

    Shape:
        (N, 2) -> (N, 1, 64, 64), logits.

    Args:
        width: multiplies the 8, 8, 16 and 16 channels behind the softmax.
        kernel_size: of the convolutions behind the softmax.
    """

    def __init__(self, width: int = 1, kernel_size: int = 3) -> None:
        super().__init__()
        self.painter = CoordConvPainter()
        channels = (1, 8 * width, 8 * width, 16 * width, 16 * width)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, kernel_size, padding="same"), nn.ReLU(True)]
        layers += [nn.Conv2d(channels[-1], 1, kernel_size, padding="same")]
        self.brush = nn.Sequential(*layers)
        draw_weights_(self.brush)

    def forward(self, positions: Tensor) -> Tensor:
        """Return the image's logits."""
        return self.render(self.painter(positions))

    def render(self, center_logits: Tensor) -> Tensor:
        """Return the image's logits from the centre's, both (N, 1, 64, 64)."""
        center = torch.softmax(center_logits.flatten(1), dim=1)
        image: Tensor = self.brush(center.view_as(center_logits))
        return image
