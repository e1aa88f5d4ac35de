"""What the network computed while it played, kept for an update that begins with the same weights.

A2C learns once from every rollout, from the weights that played it: the forward pass of its update
computes again what the rollout has computed already. Here it is kept instead.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

Activations = list[Tensor]
"""The outputs of all convolutions of all bodies, after their ReLU, in the order of computing."""


class RolloutActivations:
    """The activations of all decisions of a rollout.

    Args:
        parameters: the policy's; as soon as one of them changes, nothing is known any more.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._before = self._versions()
        self._decisions: list[Activations] = []

    def new_decision(self) -> Activations:
        """Return an empty list for the network to fill; called in the order of the decisions."""
        self._decisions.append([])
        return self._decisions[-1]

    def joined(self, count: int) -> Activations | None:
        """Return the activations of all decisions, (count, channels, H, W) each.

        None if they are not known for each of the ``count`` images, or a parameter has changed.
        """
        if self._versions() != self._before:
            return None
        parts = [torch.cat(part) for part in zip(*self._decisions, strict=True)]
        return parts if parts and all(len(part) == count for part in parts) else None

    def _versions(self) -> list[tuple[int, int]]:
        # torch counts the changes in place; whoever assigns to .data changes the address.
        return [(parameter._version, parameter.data_ptr()) for parameter in self._parameters]
