"""Position embeddings on the last maps, before they are pooled."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors.pooling import Pooling
from rl_coordconv.layers import PositionEmbedding, SinusoidalEmbedding

Embedding = Literal["none", "learned", "sinusoids"]


def check_embedding(embedding: Embedding, pooling: Pooling) -> None:
    """Refuse an embedding of maps that are not pooled.

    Raises:
        InputError: there is nothing that it could serve.
    """
    if embedding != "none" and pooling == "flatten":
        raise InputError(
            f"embedding={embedding!r} needs pooling='mean', 'max' or 'softmax': of flattened maps "
            "every place has weights of its own"
        )


def embed_(network: nn.Sequential, embedding: Embedding, image_shape: tuple[int, ...]) -> None:
    """Add an embedding to what a network's last convolution or block returns.

    It stands before the last ReLU, not after it: a number that is added to a place after all that
    is not linear is a constant of the mean, whatever the image shows there.

    Args:
        network: ends in a ReLU and a pooling; it is changed in place, unless ``embedding`` is
            ``"none"``.
        embedding: ``"none"``, ``"learned"`` or ``"sinusoids"``.
        image_shape: (channels, height, width) of what the network is for.
    """
    if embedding == "none":
        return
    assert isinstance(network[-2], nn.ReLU)
    with torch.no_grad():
        shape = network[:-2](torch.zeros(1, *image_shape)).shape[1:]
    made = PositionEmbedding(*shape) if embedding == "learned" else SinusoidalEmbedding(*shape)
    network.insert(len(network) - 2, made)
