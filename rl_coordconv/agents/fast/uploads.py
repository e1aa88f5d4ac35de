"""The way of the images from the environment to the network's device."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer

FRAMES_IN_AN_INTEGER = 4


class ImageUpload:
    """Puts a group's observations into the buffer, by way of memory that a GPU can read by itself.

    Where the environment tells in ``new_games`` which of its copies began a new game, only the
    newest frame of each stack is read; the older ones are in the buffer already, one step back.

    Args:
        buffer: where the images go.
        part: which environments.
        newest_only: whether only the newest frames are read.
    """

    def __init__(self, buffer: DeviceRolloutBuffer, part: slice, newest_only: bool = True) -> None:
        self._buffer, self._part, self._newest_only = buffer, part, newest_only
        self._is_gpu = buffer.device.type == "cuda"
        # Four frames of a pixel are one integer of 32 bits, the oldest in its lowest byte.
        is_integer = buffer.obs_shape[0] == FRAMES_IN_AN_INTEGER and sys.byteorder == "little"
        self._shifts_integers = is_integer and buffer.device.type == "cpu"
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
        if self._shifts_integers:
            self._shift(step, observations[:, -1], new_games)
            return images
        before = self._buffer.images(step - 1)[self._part]
        newest = self._to_device(np.ascontiguousarray(observations[:, -1:]))
        goes_on = self._to_device(~new_games).view(-1, 1, 1, 1)
        images[:, :-1] = before[:, 1:] * goes_on
        images[:, -1:] = newest
        return images

    def _shift(self, step: int, newest: NDArray[np.uint8], new_games: NDArray[np.bool_]) -> None:
        """Drop every pixel's oldest frame and put the newest in its place."""
        before, now = (self._buffer.pixels(at, self._part) for at in (step - 1, step))
        np.right_shift(before, 8, out=now)
        now[new_games] = 0
        last = newest.astype(np.uint32)
        last <<= 24
        now |= last

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
