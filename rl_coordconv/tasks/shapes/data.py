"""Sort-of-Clevr with two objects, one red and one blue, painted on the fly.

Source: the released code, ``data/sort_of_clevr_generator.py``: 64 x 64 pixels, white, each object a
square or a circle with equal chances, of radius 10, centres at least 20 pixels apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

REFERENCE_SIDE, REFERENCE_RADIUS = 64, 10


@dataclass(frozen=True)
class Scene:
    """A canvas and the objects that appear on it.

    Attributes:
        side: of the canvas in pixels; the objects shrink with it.
    """

    side: int = REFERENCE_SIDE

    @property
    def radius(self) -> int:
        """Of an object, in pixels: a circle's radius, half a square's side."""
        return max(1, round(self.side * REFERENCE_RADIUS / REFERENCE_SIDE))

    def draw_centers(self, count: int, draw: torch.Generator) -> Tensor:
        """Return centres (x, y) of the red and the blue object in pixels, (count, 2, 2) int64."""
        found: list[Tensor] = []
        missing = count
        while missing > 0:
            centers = torch.randint(
                self.radius, self.side - self.radius, (2 * missing + 8, 2, 2), generator=draw
            )
            apart = (centers[:, 0] - centers[:, 1]).float().norm(dim=1) >= 2 * self.radius
            found.append(centers[apart][:missing])
            missing -= len(found[-1])
        return torch.cat(found)

    def paint(self, centers: Tensor, is_circle: Tensor) -> Tensor:
        """Return images, (N, 3, side, side) from -1 to 1; the background is 1.

        Args:
            centers: (N, 2, 2), of the red and the blue object.
            is_circle: (N, 2) bool.
        """
        line = torch.arange(self.side)
        x = line - centers[..., 0, None]
        y = line - centers[..., 1, None]
        square = (y.abs() <= self.radius)[..., :, None] & (x.abs() <= self.radius)[..., None, :]
        circle = y.square()[..., :, None] + x.square()[..., None, :] <= self.radius**2
        red, blue = torch.where(is_circle[..., None, None], circle, square).unbind(dim=1)
        # Each object leaves its own colour of the white.
        images = torch.stack((~blue, ~(red | blue), ~red), dim=1)
        return images.float() * 2 - 1

    def sample(self, count: int, draw: torch.Generator) -> Tensor:
        """Return random images, (count, 3, side, side) from -1 to 1."""
        centers = self.draw_centers(count, draw)
        return self.paint(centers, torch.rand(count, 2, generator=draw) < 0.5)
