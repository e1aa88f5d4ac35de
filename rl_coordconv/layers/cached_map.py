"""The map of biases that a layer keeps between calls of inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class CachedMap:
    """The last map of a layer, for inference on the CPU; replaced whole, never changed.

    Whether the weights are still the same is seen by comparing their values. Version counters
    would not do: ``parameter.data.mul_()``, which stable-baselines3's target networks are updated
    with, leaves them as they are.
    """

    key: tuple[Any, ...]
    weight: Tensor
    bias: Tensor | None
    map: Tensor

    def fits(self, key: tuple[Any, ...], weight: Tensor, bias: Tensor | None) -> bool:
        """Return whether the map is still the right one."""
        if key != self.key or not torch.equal(weight, self.weight):
            return False
        if bias is None or self.bias is None:
            return bias is self.bias
        return torch.equal(bias, self.bias)
