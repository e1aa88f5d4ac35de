"""What all tasks' networks have in common."""

from __future__ import annotations

from torch import nn


def draw_weights_(network: nn.Module) -> None:
    """Draw the weights of every convolution and linear layer; biases become zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # TensorFlow's he_normal counts the inputs of a transposed convolution's weight
            # (in, out, k, k) by its second dimension as well.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def count_parameters(network: nn.Module) -> int:
    """Return how many trainable numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
