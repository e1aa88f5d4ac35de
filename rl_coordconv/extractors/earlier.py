"""What was saved before `coordconv-paper` had a name loads as what it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from rl_coordconv.layers.weights import extra_channel_layers

EVEN = {"coordinate_scale": "kernel", "coordinate_init": "separate"}
"""Coordinates learn as fast as a bias, and begin beside an image part that they do not shrink."""
AS_PUBLISHED = {"coordinate_scale": 1.0, "coordinate_init": "default"}
"""As Liu et al. describe the layer, and what every name and class meant at first."""

STATE_VERSION = 2
"""Of the modules that chose `AS_PUBLISHED` by default and choose `EVEN` now; torch's own is 1."""


def restore_scale(
    module: nn.Module, options: Mapping[str, Any], metadata: Mapping[str, Any]
) -> None:
    """Undo the choice of `EVEN` where weights are loaded that were trained before there was one.

    The module is of torch's first version from then on, so that it says so when it is saved.

    Args:
        module: the network that the weights are loaded into.
        options: what its builder asked for.
        metadata: of the weights; torch notes the version of each module there.
    """
    version = metadata.get("version")
    if version not in (1, STATE_VERSION) or "coordinate_scale" in options:
        return
    module._version = version
    for layer in extra_channel_layers(module).values():
        layer.coordinate_scale = 1.0 if version == 1 else 1 / math.prod(layer.kernel_size)
