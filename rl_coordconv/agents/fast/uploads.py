"""The way of the images from the environment to the network's device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer


class ImageUpload:
    """Puts a group's observations into the buffer, by way of memory that a GPU can read by itself.

    Where the environment tells in ``new_games`` which of its copies began a new game, only the
    newest frame of each stack travels; the older ones are on the device already, one step back.

    Args:
        buffer: where the images go.
        part: which environments.
        newest_only: whether only the newest frames travel; None does so on a GPU.
    """

    def __init__(
        self, buffer: DeviceRolloutBuffer, part: slice, newest_only: bool | None = None
    ) -> None:
        self._buffer, self._part = buffer, part
        is_gpu = buffer.device.type == "cuda"
        self._newest_only = is_gpu if newest_only is None else newest_only
        self._is_gpu = is_gpu
        self._staging: dict[tuple[int, ...], Tensor] = {}

    def put(
        self, step: int, observations: NDArray[np.uint8], new_games: NDArray[np.bool_] | None
    ) -> Tensor:
        """Fill the images of a step and return them, (n, channels, H, W), on the device.

        Args:
            step: of the rollout.
            observations: (n, channels, H, W).
            new_games: (n,) whether the stack was emptied for a new game; None where it is not
                known, and the whole stacks travel.
        """
        images = self._buffer.images(step)[self._part]
        # The first step has nothing one step back: the buffer may have been cut short before.
        if step == 0 or new_games is None or not self._newest_only:
            images.copy_(self._to_device(observations), non_blocking=True)
            return images
        before = self._buffer.images(step - 1)[self._part]
        newest = self._to_device(np.ascontiguousarray(observations[:, -1:]))
        goes_on = self._to_device(~new_games).view(-1, 1, 1, 1)
        images[:, :-1] = before[:, 1:] * goes_on
        images[:, -1:] = newest
        return images

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        if not self._is_gpu:
            return tensor
        # Written again only after the step's actions have come back, so after it was read.
        staging = self._staging.get(tensor.shape)
        if staging is None:
            staging = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._staging[tensor.shape] = staging
        staging.copy_(tensor)
        return staging.to(self._buffer.device, non_blocking=True)
