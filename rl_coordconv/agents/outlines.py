"""Outlines: spaces and networks with a shape and no content, at no cost in memory.

What a file claims that its policy sees and is made of is built as an outline first, and compared
with the weights that are there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from rl_coordconv.agents.weights import Shapes


class _Outline(spaces.Box):
    """A Box of any size whose bounds and samples are a single number each."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, low: float, high: float) -> None:
        super().__init__(low, high, (1,), dtype.type)
        self._shape = shape

    def sample(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Return zeros that take up no memory; stable-baselines3 asks for one to see its shape."""
        one = np.zeros(1, self.dtype)
        # Writable, or torch would warn of it.
        return np.lib.stride_tricks.as_strided(one, self.shape, (0,) * len(self.shape))


def outline_box(shape: tuple[int, ...], dtype: np.dtype, low: float, high: float) -> spaces.Box:
    """Return a Box that allocates nothing for its shape; good for building networks alone."""
    return _Outline(shape, dtype, low, high)


def shapes_by_name(network: nn.Module) -> Shapes:
    """Return the shapes of a network's numbers, what is shared under its first name alone."""
    state = network.state_dict(keep_vars=True)
    return {group[0]: tuple(state[group[0]].shape) for group in names_by_tensor(network)}


def names_by_tensor(network: nn.Module) -> list[list[str]]:
    """Group the state_dict's names: a shared extractor appears under three of them."""
    groups: dict[int, list[str]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), []).append(name)
    return list(groups.values())


def without_memory() -> torch.device:
    """Return what, as a context, lets networks be built without their numbers."""
    return torch.device("meta")
