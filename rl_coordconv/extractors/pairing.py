"""Initial weights that agree between extractors, for paired comparisons."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rl_coordconv.extractors.names import public
from rl_coordconv.layers import ConstantConv2d, CoordConv2d

_EXTRA = (CoordConv2d, ConstantConv2d)

_GAINS = {"action_net": 0.01, "value_net": 1.0}
"""stable-baselines3's gains of the last layers; all others have sqrt(2)."""


@public
def initialize_paired_(policy: nn.Module, seed: int) -> nn.Module:
    """Initialise a policy so that for one seed all extractors agree in every weight they share.

    stable-baselines3 draws all weights from one stream, so that a single layer with more channels
    shifts whatever is drawn after it: the same seed gives two arms different weights everywhere.
    Here each layer draws from a stream of its own, named by the seed and the layer's name.

    The distribution is stable-baselines3's: orthogonal with a gain of sqrt(2), 0.01 for the
    actions and 1 for the value, biases zero. Of a layer with extra channels the image part is
    what the plain layer gets, whose rows, where they are not more than its columns, have the norm
    of the gain; the coordinate part is cut from an orthogonal matrix of the whole layer's shape,
    which is the distribution that SB3 gives that part. The whole row is therefore a little longer
    than with SB3, on average by sqrt(1 + 2 / 6) with 4 channels and 2 coordinates. Coordinate
    weights that start at zero (``coordinate_init="zero"``) stay there.

    Other parameters than those of linear layers and convolutions, in a network of one's own, keep
    the values that they have: `describe_pairing` names them.

    Args:
        policy: an actor-critic policy, before training. It is changed in place.
        seed: any integer.

    Returns:
        The same policy.
    """
    with torch.no_grad():
        for name, layer in _paired_layers(policy):
            _initialize(layer, f"{seed}/{name}", _GAINS.get(name, math.sqrt(2)))
    return policy


@dataclass(frozen=True)
class Pairing:
    """Which of a policy's parameters `initialize_paired_` draws.

    Attributes:
        weights: the weights that it draws by name, with the shape of their image part: two
            policies begin with the same numbers there where name and shape agree.
        unpaired: the names of all other parameters but biases of such layers: they keep what
            their modules gave them, which for one seed may differ between extractors.
    """

    weights: dict[str, tuple[int, ...]]
    unpaired: tuple[str, ...]


def describe_pairing(policy: nn.Module) -> Pairing:
    """Say which parameters of a policy can be paired, and which keep their own initial values."""
    weights, drawn = {}, set()
    for name, layer in _paired_layers(policy):
        image = layer.image_weight if isinstance(layer, _EXTRA) else layer.weight
        weights[f"{name}.weight"] = tuple(image.shape)
        drawn |= set(layer.parameters(recurse=False))
    unpaired = [name for name, one in policy.named_parameters() if one not in drawn]
    return Pairing(weights, tuple(unpaired))


def _paired_layers(policy: nn.Module) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    for name, layer in policy.named_modules():
        # A parametrised weight (weight_norm, spectral_norm) is computed: it cannot be filled in.
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and "weight" in dict(
            layer.named_parameters(recurse=False)
        ):
            yield name, layer


def _initialize(layer: nn.Linear | nn.Conv2d, stream: str, gain: float) -> None:
    if isinstance(layer, _EXTRA):
        _draw_orthogonal_(layer.image_weight, stream, gain)
        if layer.coordinate_init != "zero":
            whole = _draw_orthogonal_(torch.empty_like(layer.weight), f"{stream}/extra", gain)
            layer.coordinate_weight.copy_(whole[:, layer.image_channels :])
    else:
        _draw_orthogonal_(layer.weight, stream, gain)
    if layer.bias is not None:
        layer.bias.zero_()


def _draw_orthogonal_(weight: Tensor, stream: str, gain: float) -> Tensor:
    digest = hashlib.sha256(stream.encode()).digest()
    # On the CPU, so that the values do not depend on the device.
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    drawn = torch.empty(weight.shape, dtype=torch.float32)
    return weight.copy_(nn.init.orthogonal_(drawn, gain, generator))
