"""Cached activations: those of a rollout, for an update that begins with the same weights.

A2C learns once from every rollout, with the weights that collected it: the forward pass of its
update computes again what the rollout has computed already. Here it is cached instead.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Activations = list[Tensor]
"""The outputs of all convolutions of all torsos, after their ReLU, in the order of computing."""


class RolloutActivations:
    """The activations of all forward passes of a rollout.

    Args:
        is_current: tells whether the policy still is what computed them; as soon as it is not,
            nothing is cached any more.
    """

    def __init__(self, is_current: Callable[[], bool]) -> None:
        self._is_current = is_current
        self._forward_passes: list[tuple[Tensor, Activations]] = []

    def new_forward_pass(self, images: Tensor) -> Activations:
        """Return an empty cache for a forward pass to fill; called in the order of the passes.

        Args:
            images: (n, channels, H, W), what the network is about to look at.
        """
        self._forward_passes.append((images, []))
        return self._forward_passes[-1][1]

    def joined(self, images: Tensor) -> Activations | None:
        """Return the activations of all forward passes, (N, channels, H, W) each.

        None if they are not cached for these images, or the policy has changed since.

        Args:
            images: (N, channels, H, W), what is to be learnt from, in the order of the passes.
        """
        seen = [len(part) for part, _ in self._forward_passes]
        if sum(seen) != len(images) or not seen or not self._is_current():
            return None
        parts = zip(self._forward_passes, images.split(seen), strict=True)
        if not all(_are_same(mine, theirs) for (mine, _), theirs in parts):
            return None
        by_layer = zip(*(activations for _, activations in self._forward_passes), strict=True)
        return [torch.cat(part) for part in by_layer] or None


def _are_same(mine: Tensor, theirs: Tensor) -> bool:
    return mine.data_ptr() == theirs.data_ptr() or torch.equal(mine, theirs)
