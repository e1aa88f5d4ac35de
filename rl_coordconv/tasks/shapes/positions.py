"""Where the objects of generated images are, and how well these places cover the plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rl_coordconv.tasks.shapes.data import Scene

CELLS = 10
"""The plane that centres can reach is divided into 10 x 10 cells."""
_NEAR_AND_FAR = (0.1, 0.2)
"""Parts of the plane's side between which pairs of places are counted."""
_FEWEST = 100
"""Places from which a dimension is told."""
_SMALLEST, _LARGEST = 0.4, 2.0
"""A patch of colour counts as an object if its area is this much of a circle's to a square's."""


def find_objects(images: Tensor, scene: Scene) -> Tensor:
    """Return the centres (x, y) of the red and the blue object in pixels, (N, 2, 2).

    An object is all that is clearly of its colour, and its centre the mean place of that. NaN where
    there is too little or too much of the colour for one object.

    Args:
        images: (N, 3, side, side) from -1 to 1.
        scene: what the images are of.
    """
    red, _, blue = images.unbind(dim=1)
    # A pixel of pure colour differs by 2 between the two, a white or black one by 0.
    masks = torch.stack((red - blue > 1, blue - red > 1), dim=1).float()
    area = masks.sum(dim=(2, 3))
    line = torch.arange(scene.side, dtype=torch.float32)
    x = (masks.sum(dim=2) * line).sum(dim=2) / area
    y = (masks.sum(dim=3) * line).sum(dim=2) / area
    circle, square = 3.1416 * scene.radius**2, (2 * scene.radius + 1) ** 2
    is_object = (area >= _SMALLEST * circle) & (area <= _LARGEST * square)
    centers = torch.stack((x, y), dim=-1)
    return torch.where(is_object[..., None], centers, torch.nan)


def spread(centers: Tensor, scene: Scene) -> float:
    """Return how many of the plane's 100 cells the centres fill evenly: exp of their entropy.

    100 for places that are everywhere alike; a ring or a line is a few cells wide and fills few of
    them; 1 for a single place, 0 for none. Small samples fill less than what they are drawn from:
    compare with as many real ones.

    Args:
        centers: (N, 2) in pixels; NaN is left out.
        scene: what the images are of.
    """
    counts = _cell_counts(centers, scene)
    if not counts.sum():
        return 0.0
    shares = counts[counts > 0] / counts.sum()
    return (-(shares * shares.log()).sum()).exp().item()


def occupied(centers: Tensor, scene: Scene) -> float:
    """Return the share of the plane's 100 cells in which a centre lies; NaN is left out.

    Args:
        centers: (N, 2) in pixels.
        scene: what the images are of.
    """
    return (_cell_counts(centers, scene) > 0).float().mean().item()


def dimension(centers: Tensor, scene: Scene) -> float:
    """Return how many numbers it takes to say where both objects are: the correlation dimension.

    About 4 where each lies anywhere (a thousand real images: 3.5 to 4), 2 where one moves with the
    other, 1 for a ring or another curve, 0 for a single place, or where hardly an image shows both
    objects.

    Args:
        centers: of the red and the blue object, (N, 2, 2) in pixels; NaN is left out.
        scene: what the images are of.

    Source:
        Grassberger and Procaccia 1983, "Characterization of Strange Attractors": the slope of the
        logarithm of how many pairs are closer than a distance, here from a tenth to a fifth of the
        plane's side.
    """
    points = centers[~centers.isnan().flatten(1).any(dim=1)].flatten(1)
    if len(points) < _FEWEST:
        return 0.0
    distances = torch.pdist(points) / (scene.side - 2 * scene.radius)
    near, far = (int((distances < limit).sum()) for limit in _NEAR_AND_FAR)
    return math.log(far / near) / math.log(_NEAR_AND_FAR[1] / _NEAR_AND_FAR[0]) if near else 4.0


def _cell_counts(centers: Tensor, scene: Scene) -> Tensor:
    known = centers[~centers.isnan().any(dim=1)]
    reach = scene.side - 2 * scene.radius
    cells = ((known - scene.radius) / reach * CELLS).long().clamp(0, CELLS - 1)
    return torch.bincount(cells[:, 1] * CELLS + cells[:, 0], minlength=CELLS**2).float()
