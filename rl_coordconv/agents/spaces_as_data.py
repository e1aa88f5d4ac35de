"""Gymnasium's spaces as plain data, so that a saved policy can say what it sees and chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rl_coordconv._util.errors import InputError, shown

Data = dict[str, Any]

MAX_ELEMENTS = 2**27
"""Of a described space: what a damaged file may claim before anything is allocated."""


def describe_space(space: spaces.Space) -> Data:
    """Return a space as what JSON can hold.

    Raises:
        InputError: a kind of space that is not known here.
    """
    if isinstance(space, spaces.Box):
        return {
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": _bounds(space.low),
            "high": _bounds(space.high),
        }
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return {"discrete": int(space.n)}
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1 and not space.start.any():
        return {"multi_discrete": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary) and isinstance(space.n, int):
        return {"multi_binary": space.n}
    if isinstance(space, spaces.Dict):
        return {"dict": {key: describe_space(part) for key, part in space.spaces.items()}}
    raise InputError(f"space {shown(space)} cannot be saved without pickle (allowed: Box, Discrete "
                     "and MultiDiscrete from 0, MultiBinary, Dict)")  # fmt: skip


def build_space(data: Any) -> spaces.Space:
    """Return the space that `describe_space` described.

    Raises:
        InputError: the data describes none.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{shown(data)} describes no space")
    try:
        return _build(data)
    except (
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
    ) as error:
        raise InputError(f"{shown(dict(data))} describes no space: {error}") from error


def _build(data: Mapping[str, Any]) -> spaces.Space:
    if "dict" in data:
        return spaces.Dict({str(key): build_space(part) for key, part in data["dict"].items()})
    if "discrete" in data:
        return spaces.Discrete(_checked(data["discrete"]))
    if "multi_discrete" in data:
        return spaces.MultiDiscrete([_checked(n) for n in data["multi_discrete"]])
    if "multi_binary" in data:
        return spaces.MultiBinary(_checked(data["multi_binary"]))
    shape = tuple(_checked(side) for side in data["shape"])
    if np.prod([float(side) for side in shape]) > MAX_ELEMENTS:
        raise ValueError(f"it has more than {MAX_ELEMENTS:,} elements")
    dtype = np.dtype(data["dtype"])
    low, high = (_as_array(data[key], shape, dtype) for key in ("low", "high"))
    return spaces.Box(low, high, shape, dtype.type)


def _bounds(values: NDArray[Any]) -> Any:
    """Return one number where all are the same."""
    flat = values.ravel()
    is_uniform = flat.size > 0 and (flat == flat[0]).all()
    return flat[0].item() if is_uniform else flat.tolist()


def _as_array(bounds: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if isinstance(bounds, list):
        return np.array(bounds, dtype).reshape(shape)
    return np.full(shape, bounds, dtype)


def _checked(number: Any) -> int:
    if type(number) is not int or not 0 < number <= MAX_ELEMENTS:
        raise ValueError(f"{shown(number)} is no number from 1 to {MAX_ELEMENTS:,}")
    return number
