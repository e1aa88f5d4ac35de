"""The rollout buffer's tensors as the NumPy arrays that stable-baselines3 has in their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class StoredArray:
    """A tensor of the buffer shown as the NumPy array that stable-baselines3 has in its place.

    On the CPU the array is a view: what is written into it is in the buffer. Elsewhere it is a
    copy; assign the whole array to change the buffer. After `get`, as in stable-baselines3, the
    environments of a rollout follow each other in one axis; what is written into that array is in
    the buffer from the next reading on.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, buffer: Any, owner: type | None = None) -> Any:
        if buffer is None:
            return self
        buffer._share()
        if buffer.generator_ready:
            return buffer._flattened_array(self._name)
        return buffer._as_sb3(self._name, getattr(buffer, self._name)).cpu().numpy()

    def __set__(self, buffer: Any, value: NDArray[Any]) -> None:
        target = buffer._as_sb3(self._name, getattr(buffer, self._name))
        buffer.activations = None
        given = np.ascontiguousarray(value)
        if buffer.generator_ready:
            buffer._flattened.pop(self._name, None)
            buffer._put_flattened(self._name, given)
        else:
            target.copy_(torch.as_tensor(given).reshape(target.shape))
