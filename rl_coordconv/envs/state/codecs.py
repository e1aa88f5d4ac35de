"""Values that have no parts: how each kind is read as plain data, and put back."""

from __future__ import annotations

import enum
import functools
import random
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ale_py import ALEInterface, ALEState
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymnasiumSpec

from rl_coordconv.envs.state.errors import StateError

Plain = Any
"""None, numbers, texts, tensors, and lists and dictionaries of these: what ``torch.load`` reads
with ``weights_only=True``."""

PLAIN = (type(None), bool, int, float, str)

_CONSTANTS = (
    type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType,
    functools.partial, property, np.dtype, torch.dtype, torch.device, GymnasiumSpec,
)  # fmt: skip
"""What a program builds anew, and does not change."""

_BIT_GENERATORS = {
    one.__name__: one
    for one in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.SFC64,
                np.random.Philox)
}  # fmt: skip


@dataclass(frozen=True)
class Codec:
    """One kind of value.

    Attributes:
        kind: the word that stands before such a value in a state.
        is_kind: tells whether a value is of this kind.
        read: returns the value as plain data, from it and its path.
        put: returns what is to stand in the place of an old value (of any kind; the same, changed,
            where that is possible), from it, the plain data and the path.
    """

    kind: str
    is_kind: Callable[[Any], bool]
    read: Callable[[Any, str], Plain]
    put: Callable[[Any, Plain, str], Any]


def _is(*exact: type) -> Callable[[Any], bool]:
    """Match these types alone: a subclass may keep more than its base's codec reads."""
    return lambda value: type(value) in exact


def _is_any(*bases: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, bases)


def _is_constant(value: Any) -> bool:
    return isinstance(value, _CONSTANTS) or type(value) is object or value is NotImplemented


def _read_array(value: Any, path: str) -> Plain:
    if value.dtype.kind not in "biuf":
        raise StateError(path, f"is an array of {value.dtype}")
    copied = torch.from_numpy(np.array(value, order="K", copy=True))
    # As it lies in memory, down to strides of dimensions of one element: by them torch chooses how
    # to convolve an image, and another way rounds differently.
    sides = zip(value.shape, copied.stride(), value.strides, strict=True)
    strides = [step if size > 1 else abs(own) // value.itemsize for size, step, own in sides]
    return copied.as_strided(copied.shape, strides)


def _put_array(old: Any, tensor: Plain, path: str) -> Any:
    array = tensor.numpy()
    fits = isinstance(old, np.ndarray) and (old.shape, old.dtype) == (array.shape, array.dtype)
    if not fits or not old.flags.writeable:
        return tensor.clone().numpy()  # `copy` would give it other strides
    old[...] = array  # in place: other arrays may be views of it
    return old


def _put_tensor(old: Any, tensor: Plain, path: str) -> Any:
    if not isinstance(old, torch.Tensor) or old.shape != tensor.shape or old.dtype != tensor.dtype:
        return tensor.clone()
    return old.copy_(tensor)


def _read_enum(value: Any, path: str) -> Plain:
    return value.name


def _put_enum(old: Any, name: Plain, path: str) -> Any:
    if not isinstance(old, enum.Enum) or name not in type(old).__members__:
        raise StateError(path, f"is no enumeration with a member {name!r}")
    return type(old)[name]


def _read_set(value: Any, path: str) -> Plain:
    if not all(type(one) in PLAIN for one in value):
        raise StateError(path, "is a set of objects")
    return sorted(value, key=repr)


def _put_set(old: Any, items: Plain, path: str) -> Any:
    if not isinstance(old, set):
        return frozenset(items) if isinstance(old, frozenset) else set(items)
    old.clear()
    old.update(items)
    return old


def _put_bytes(old: Any, tensor: Plain, path: str) -> Any:
    content = bytes(tensor.tolist())
    return bytearray(content) if isinstance(old, bytearray) else content


def _read_generator(value: np.random.Generator, path: str) -> Plain:
    return _plain(value.bit_generator.state)


def _put_generator(old: Any, state: Plain, path: str) -> np.random.Generator:
    if not isinstance(old, np.random.Generator):
        if state.get("bit_generator") not in _BIT_GENERATORS:
            raise StateError(path, f"had a random generator {state.get('bit_generator')!r}")
        old = np.random.Generator(_BIT_GENERATORS[state["bit_generator"]]())
    try:
        old.bit_generator.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(path, f"has another random generator: {error}") from error
    return old


def _read_random_state(value: np.random.RandomState, path: str) -> Plain:
    return _plain(value.get_state(legacy=False))


def _put_random_state(old: Any, state: Plain, path: str) -> np.random.RandomState:
    generator = old if isinstance(old, np.random.RandomState) else np.random.RandomState()
    generator.set_state(state)
    return generator


def _read_random(value: random.Random, path: str) -> Plain:
    version, internal, gauss = value.getstate()
    return [version, list(internal), gauss]


def _put_random(old: Any, state: Plain, path: str) -> random.Random:
    generator = old if isinstance(old, random.Random) else random.Random()
    version, internal, gauss = state
    generator.setstate((version, tuple(internal), gauss))
    return generator


def _plain(state: Any) -> Plain:
    """Turn the nested dictionaries in which NumPy tells a generator's state into plain data."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return state.tolist()
    return state.item() if isinstance(state, np.generic) else state


def _read_space(value: spaces.Space, path: str) -> Plain:
    """Read the random generators: bounds are constants, and what was never drawn from has none."""
    drawn = [getattr(one, "_np_random", None) for one in _parts(value)]
    return [None if one is None else _read_generator(one, path) for one in drawn]


def _put_space(old: Any, states: Plain, path: str) -> Any:
    parts = list(_parts(old)) if isinstance(old, spaces.Space) else []
    if len(parts) != len(states):
        raise StateError(path, "is another space")
    for part, state in zip(parts, states, strict=True):
        if state is not None:
            _put_generator(part.np_random, state, path)
    return old


def _parts(space: spaces.Space) -> Iterator[spaces.Space]:
    yield space
    inner = getattr(space, "spaces", ())
    for one in inner.values() if isinstance(inner, dict) else inner:
        yield from _parts(one)


def _read_emulator(value: ALEInterface, path: str) -> Plain:
    content = value.cloneState(include_rng=True).__getstate__()
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _put_emulator(old: Any, tensor: Plain, path: str) -> ALEInterface:
    if not isinstance(old, ALEInterface):
        raise StateError(path, "was an Atari emulator")
    state = ALEState.__new__(ALEState)
    try:
        state.__setstate__(bytes(tensor.tolist()))  # type: ignore[arg-type]  # its stub errs
        old.restoreState(state)
    except (SystemError, ValueError, RuntimeError) as error:
        raise StateError(path, f"cannot take the emulator's state: {error}") from error
    return old


CODECS = (
    Codec("enum", _is_any(enum.Enum), _read_enum, _put_enum),
    Codec("plain", _is(*PLAIN), lambda value, path: value, lambda old, value, path: value),
    Codec("constant", _is_constant, lambda value, path: None, lambda old, value, path: old),
    Codec("array", _is(np.ndarray), _read_array, _put_array),
    Codec("scalar", _is_any(np.generic), _read_array, lambda old, value, path: value.numpy()[()]),
    Codec("tensor", _is(torch.Tensor), lambda value, path: value.detach().clone(), _put_tensor),
    Codec("set", _is(set, frozenset), _read_set, _put_set),
    Codec("bytes", _is(bytes, bytearray),
          lambda value, path: torch.tensor(list(value), dtype=torch.uint8), _put_bytes),
    Codec("generator", _is(np.random.Generator), _read_generator, _put_generator),
    Codec("random_state", _is(np.random.RandomState), _read_random_state, _put_random_state),
    Codec("random", _is(random.Random), _read_random, _put_random),
    Codec("emulator", _is_any(ALEInterface), _read_emulator, _put_emulator),
    Codec("space", _is_any(spaces.Space), _read_space, _put_space),
)  # fmt: skip
"""Tried in this order."""
