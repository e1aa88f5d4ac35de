"""Host-to-device copies: the images' way from the environment to the network."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FRAMES_IN_AN_INTEGER = 4


class ImageUpload:
    """Brings observations to the device and lays their channels last.

    Args:
        device: of the network. Of a GPU, the images travel through memory that it reads by itself.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._staging = torch.empty(0, dtype=torch.uint8)

    def put(self, observations: Any, out: Tensor) -> Tensor:
        """Copy observations into a tensor of the rollout buffer.

        Args:
            observations: (n, channels, H, W) uint8, from the environments.
            out: of the same shape on the device, stored channels-last.

        Returns:
            The observations as a tensor on the device in their own layout, as stable-baselines3
            shows them to callbacks; on the CPU it shares the memory of ``observations``.
        """
        tensor = torch.as_tensor(observations)
        if self._device.type == "cuda":
            tensor = self._send(tensor)
            out.copy_(tensor)
        else:
            copy_channels_last(tensor, out)
        return tensor

    def _send(self, tensor: Tensor) -> Tensor:
        # Written again only after the step's actions have come back, so after it was read.
        if self._staging.shape != tensor.shape:
            self._staging = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._staging.copy_(tensor)
        return self._staging.to(self._device, non_blocking=True)


def copy_channels_last(images: Tensor, out: Tensor) -> None:
    """Copy images on the CPU into a tensor that is stored channels-last.

    Four frames of a pixel are one integer of 32 bits there, the oldest in its lowest byte; put
    together as integers it takes a third of the time of `Tensor.copy_` (measured, see
    docs/performance.md).

    Args:
        images: (n, channels, H, W) uint8.
        out: of the same shape.
    """
    is_integer = images.shape[1] == FRAMES_IN_AN_INTEGER and sys.byteorder == "little"
    pixels = out.permute(0, 2, 3, 1)
    if not is_integer or images.dtype is not torch.uint8 or not pixels.is_contiguous():
        out.copy_(images)
        return
    frames = images.numpy()
    integers: NDArray[np.uint32] = pixels.numpy().view(np.uint32)[..., 0]
    integers[...] = _pair(frames[:, 2], frames[:, 3])
    np.left_shift(integers, 16, out=integers)
    np.bitwise_or(integers, _pair(frames[:, 0], frames[:, 1]), out=integers)


def _pair(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.uint16]:
    pair = high.astype(np.uint16)
    pair <<= 8
    pair |= low
    return pair
