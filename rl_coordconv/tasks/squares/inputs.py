"""(x, y) as the networks that paint are given it."""

from __future__ import annotations

from torch import Tensor

from rl_coordconv.tasks.squares.canvas import SIDE
from rl_coordconv.tasks.squares.recipe import SquaresRecipe


def position_inputs(positions: Tensor, recipe: SquaresRecipe) -> Tensor:
    """Return positions as the recipe wants them, (N, 2) float32.

    The paper feeds pixels, 4 to 59, beside coordinate channels from -1 to 1: the network has to
    find the ratio of the two scales before it can compare them. Scaled, they agree.
    """
    if recipe.inputs == "pixels":
        return positions.float()
    return positions.float() * (2 / (SIDE - 1)) - 1
