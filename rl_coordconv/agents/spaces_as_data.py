"""Gymnasium's spaces as plain data, so that a saved policy can say what it sees and chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.agents.outlines import outline_box

Data = dict[str, Any]

MAX_ELEMENTS = 2**26
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


def build_space(data: Any, *, as_outline: bool = False) -> spaces.Space:
    """Return the space that `describe_space` described.

    Args:
        data: what was read.
        as_outline: whether its Boxes are outlines, see `outline_box`, of any size.

    Raises:
        InputError: the data describes none, or all of it together has more than `MAX_ELEMENTS`
            elements.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{shown(data)} describes no space")
    try:
        return _build(data, as_outline)
    except (
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
    ) as error:
        raise InputError(f"{shown(dict(data))} describes no space: {error}") from error


def _build(data: Mapping[str, Any], as_outline: bool) -> spaces.Space:
    if "dict" in data:
        parts = {str(key): part for key, part in data["dict"].items()}
        if not as_outline:
            _check_size(sum(_elements(part) for part in parts.values()))
        return spaces.Dict(
            {key: build_space(part, as_outline=as_outline) for key, part in parts.items()}
        )
    if "discrete" in data:
        return spaces.Discrete(_checked(data["discrete"]))
    if "multi_discrete" in data:
        return spaces.MultiDiscrete([_checked(n) for n in data["multi_discrete"]])
    if "multi_binary" in data:
        return spaces.MultiBinary(_checked(data["multi_binary"]))
    shape = tuple(_checked(side) for side in data["shape"])
    dtype = np.dtype(str(data["dtype"]))
    if dtype.kind not in "biuf":
        raise ValueError(f"{shown(data['dtype'])} is no type of numbers")
    if as_outline:
        return outline_box(shape, dtype, _extreme(data["low"], min), _extreme(data["high"], max))
    _check_size(_elements(data))
    low, high = (_as_array(data[key], shape, dtype) for key in ("low", "high"))
    return spaces.Box(low, high, shape, dtype.type)


def _elements(data: Mapping[str, Any]) -> float:
    if "dict" in data:
        return sum(_elements(part) for part in data["dict"].values())
    return float(np.prod([float(_checked(side)) for side in data.get("shape", ())]))


def _check_size(elements: float) -> None:
    if elements > MAX_ELEMENTS:
        raise ValueError(f"it has more than {MAX_ELEMENTS:,} elements")


def _extreme(bounds: Any, choose: Callable[[list[float]], float]) -> float:
    return choose(bounds) if isinstance(bounds, list) else bounds


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
