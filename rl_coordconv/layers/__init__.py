"""CoordConv layers for any PyTorch network; they need nothing but torch."""

from rl_coordconv.layers.conv import ConstantConv2d, CoordConv2d
from rl_coordconv.layers.convert import convert_to_coordconv
from rl_coordconv.layers.coordinates import AddCoords, coordinate_channels
from rl_coordconv.layers.position_embedding import PositionEmbedding, SinusoidalEmbedding
from rl_coordconv.layers.spatial_softmax import SpatialSoftmax
from rl_coordconv.layers.weights import (
    coordinate_weight_ratios,
    without_coordinates,
    zero_coordinate_weights_,
)
from rl_coordconv.layers.zero_mean import ZeroMeanConv2d

__all__ = [
    "AddCoords",
    "ConstantConv2d",
    "CoordConv2d",
    "PositionEmbedding",
    "SinusoidalEmbedding",
    "SpatialSoftmax",
    "ZeroMeanConv2d",
    "convert_to_coordconv",
    "coordinate_channels",
    "coordinate_weight_ratios",
    "without_coordinates",
    "zero_coordinate_weights_",
]
