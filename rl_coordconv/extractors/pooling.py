"""What becomes of the last convolution's maps: all of their places, or one or two numbers a map."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from rl_coordconv.layers import SpatialSoftmax

Pooling = Literal["flatten", "mean", "max", "softmax"]
POOLED_CHOICES = {"pooling": ("mean", "max", "softmax")}
"""Of the names that always pool."""


class GlobalPool(nn.Module):
    """The mean or the maximum of every map: what is seen, no longer where.

    Args:
        kind: ``"mean"`` or ``"max"``.

    Shape:
        (N, channels, H, W) -> (N, channels).
    """

    def __init__(self, kind: Literal["mean", "max"]) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, images: Tensor) -> Tensor:
        """Return one number a map."""
        return images.mean(dim=(2, 3)) if self.kind == "mean" else images.amax(dim=(2, 3))

    def extra_repr(self) -> str:
        """Return what ``repr`` shows."""
        return self.kind


def pool_(network: nn.Sequential, linear: nn.Sequential, pooling: Pooling) -> nn.Sequential:
    """Put a global pooling in the place of the flattening at a network's end.

    Args:
        network: ends in `nn.Flatten`; it is changed in place, unless ``pooling`` is ``"flatten"``.
        linear: a linear layer and its ReLU, for the flattened maps.
        pooling: ``"flatten"``, ``"mean"``, ``"max"``, or ``"softmax"`` for `SpatialSoftmax`.

    Returns:
        The linear layer and its ReLU for what the network now returns.
    """
    if pooling == "flatten":
        return linear
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    features = linear[0]
    assert isinstance(network[-1], nn.Flatten)
    assert isinstance(features, nn.Linear)
    numbers = convolutions[-1].out_channels
    if pooling == "softmax":
        network[-1] = SpatialSoftmax()
        numbers *= 2
    else:
        network[-1] = GlobalPool(pooling)
    return nn.Sequential(nn.Linear(numbers, features.out_features), nn.ReLU())
