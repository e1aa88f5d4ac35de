"""How the three coordinate tasks are trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rl_coordconv.tasks.fitting import FitRecipe
from rl_coordconv.tasks.recipe import LARGEST


class SquaresRecipe(FitRecipe):
    """What the coordinate tasks leave open besides.

    Source: the released code, ``train.py``, ``util.py`` and ``experiment_logs.sh``.
    """

    width: Annotated[int, Field(ge=1, le=64)] = 1
    """Multiplies the channels, where the network has a choice."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 3
    """Of the network's convolutions, where it has a choice."""
    inputs: Literal["pixels", "scaled"] = "pixels"
    """(x, y) as the network is given it: in pixels, 4 to 59, as the paper does, or scaled to the
    coordinate channels' -1 to 1."""
    begin_with_differences: bool = False
    """Of painting with coordinates: the first layer's coordinate weights begin as the negatives of
    its weights for (x, y), so that it begins by comparing where a pixel is with where to paint."""
    loss: Literal["sigmoid", "mse"] = "sigmoid"
    """Of rendering: cross-entropy or squared error, pixel by pixel."""
    center_loss: Annotated[float, Field(ge=0, le=LARGEST)] = 0.0
    """Of rendering with coordinates: the weight of the loss on the centre's place in the middle of
    the network, the released code's ``interm_loss softmax``."""
    image_scale: Annotated[float, Field(gt=0, le=LARGEST)] = 1.0
    """Of regression with coordinates: what the first layer's image weights, as drawn, are
    multiplied by before training."""
    coordinate_scale: Annotated[float, Field(gt=0, le=LARGEST)] = 1.0
    """Of regression with coordinates: the same of its coordinate weights."""
    center_output: bool = False
    """Of regression with coordinates: the last biases begin where the mean prediction of the
    training samples is the mean target."""
