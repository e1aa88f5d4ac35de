"""Recognising NatureCNN and those of ours like it, which the fast path takes apart."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.torch_layers import NatureCNN
from torch import nn

from rl_coordconv.agents.fast.structure import is_pure, is_unmodified
from rl_coordconv.extractors import CoordConvCNN, PlaceboCNN, PooledCNN
from rl_coordconv.extractors.pooling import GlobalPool
from rl_coordconv.layers import (
    ConstantConv2d,
    CoordConv2d,
    PositionEmbedding,
    SinusoidalEmbedding,
    SpatialSoftmax,
    ZeroMeanConv2d,
)

_NATURES = (NatureCNN, PooledCNN, CoordConvCNN, PlaceboCNN)
_CONVOLUTIONS = (nn.Conv2d, ZeroMeanConv2d, CoordConv2d, ConstantConv2d)
_EMBEDDINGS = (PositionEmbedding, SinusoidalEmbedding)
POOLINGS = (GlobalPool, SpatialSoftmax)

Layer = tuple[nn.Conv2d, PositionEmbedding | SinusoidalEmbedding | None]
"""A convolution and the embedding that is added to its maps, before their ReLU."""


def is_plain_nature(extractor: Any) -> bool:
    """Tell whether an extractor is NatureCNN or one of ours like it, with nothing changed in it."""
    if not is_unmodified(extractor, *_NATURES) or not is_pure(extractor):
        return False
    if not is_unmodified(extractor.cnn, nn.Sequential):
        return False
    return (
        bool(layers_of(extractor.cnn))
        and _is_end(extractor.cnn[-1])
        and [type(module) for module in extractor.linear] == [nn.Linear, nn.ReLU]
        and extractor.linear[0].bias is not None
        and len({part.dtype for part in extractor.parameters()}) == 1
    )


def layers_of(network: nn.Sequential) -> list[Layer]:
    """Return what stands before a network's last module, each followed by a ReLU there.

    None at all where something else stands there.
    """
    found: list[Layer] = []
    parts: list[Any] = list(network)[:-1]
    while parts:
        convolution = parts.pop(0)
        is_embedded = bool(parts) and type(parts[0]) in _EMBEDDINGS
        embedding = parts.pop(0) if is_embedded else None
        if not _is_plain_convolution(convolution) or not parts or type(parts.pop(0)) is not nn.ReLU:
            return []
        found.append((convolution, embedding))
    return found


def _is_end(module: nn.Module) -> bool:
    if type(module) is nn.Flatten:
        return (module.start_dim, module.end_dim) == (1, -1)
    return type(module) in POOLINGS


def _is_plain_convolution(module: Any) -> bool:
    return type(module) in _CONVOLUTIONS and (
        module.padding,
        module.dilation,
        module.groups,
    ) == ((0, 0), (1, 1), 1)
