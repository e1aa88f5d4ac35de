"""The state of a Python object as plain data: read from one object, put into another like it.

A checkpoint must hold no pickle, so an environment is not stored: it is built anew, and what may
have changed since it was built is put into it, part by part. What is a constant of the program
(functions, classes, spaces' bounds) stays as it was built. Anything whose state Python cannot see,
such as a physics engine's world or a window, is refused by its path: half a state would be worse
than none.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rl_coordconv.envs.state.codecs import CODECS, PLAIN, Plain
from rl_coordconv.envs.state.errors import StateError

_UNCHANGING = (tuple, frozenset, bytes, enum.Enum, np.generic)
"""Beside `PLAIN`: which of two equal ones it is makes no difference."""
_KEPT = frozenset({"object", "own", "space", "emulator"})
"""Kinds of which none is made anew."""
_UNFINISHED = object()

_SEQUENCES: dict[str, Callable[[Any], bool]] = {
    "list": lambda value: type(value) is list,
    "tuple": lambda value: type(value) is tuple or _is_named_tuple(value),
    "deque": lambda value: type(value) is deque,
}


def read_state(thing: Any, name: str) -> Plain:
    """Read an object's state.

    An object with methods ``get_state()`` and ``set_state(state)`` says itself what its state is.

    Args:
        thing: any object, for example a Gymnasium environment with its wrappers.
        name: what the object is called in errors.

    Raises:
        StateError: some part of it is of a kind that cannot be read; names its path.
    """
    return _Reader().read(thing, name)


def put_state(thing: Any, state: Plain, name: str) -> Any:
    """Bring an object that was built like another one to that one's state.

    Args:
        thing: the object; it is changed in place, as are containers and arrays inside it, so that
            what refers to them goes on doing so.
        state: from `read_state`.
        name: what the object is called in errors.

    Returns:
        The object, or what is to stand in its place where it cannot be changed.

    Raises:
        StateError: the state does not fit; the object may be changed in part.
    """
    return _Writer().put(thing, state, name)


class _Reader:
    """Reads one object; of what it meets a second time it says which one it was."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}

    def read(self, thing: Any, path: str) -> Plain:
        if isinstance(thing, _UNCHANGING) or type(thing) in PLAIN:
            return self._read_kind(thing, path)
        if id(thing) in self._seen:
            return ["seen", self._seen[id(thing)][0]]
        number = len(self._seen)
        self._seen[id(thing)] = (number, thing)
        return [*self._read_kind(thing, path), number]

    def _read_kind(self, thing: Any, path: str) -> Plain:
        for codec in CODECS:
            if codec.is_kind(thing):
                return [codec.kind, codec.read(thing, path)]
        for kind, is_kind in _SEQUENCES.items():
            if is_kind(thing):
                items = [self.read(one, f"{path}[{i}]") for i, one in enumerate(thing)]
                return [kind, items]
        if type(thing) in (dict, OrderedDict):
            return ["dict", [self._pair(key, one, path) for key, one in thing.items()]]
        return self._read_object(thing, path)

    def _pair(self, key: Any, value: Any, path: str) -> Plain:
        if type(key) not in PLAIN:
            raise StateError(path, f"has a key that is a {_name(key)}")
        return [key, self.read(value, f"{path}[{key!r}]")]

    def _read_object(self, thing: Any, path: str) -> Plain:
        if _tells_its_state(thing):
            return ["own", read_state(thing.get_state(), f"{path}.get_state()")]
        _need_python(thing, path)
        parts = {name: self.read(value, f"{path}.{name}") for name, value in _attributes(thing)}
        return ["object", parts]


class _Writer:
    """Puts one object's state, in the order in which it was read.

    What two places shared they share again. What they share only here is told apart by a new
    object, or refused where there can be none: written twice, both would be the second one.
    """

    def __init__(self) -> None:
        self._met: dict[int, Any] = {}
        self._numbered: list[Any] = []
        self._ways: dict[str, Callable[[Any, Plain, str], Any]] = {
            **{codec.kind: codec.put for codec in CODECS},
            "list": self._put_list,
            "tuple": self._put_tuple,
            "deque": self._put_deque,
            "dict": self._put_dict,
            "seen": self._put_seen,
            "own": self._put_own,
            "object": self._put_object,
        }

    def put(self, old: Any, state: Plain, path: str) -> Any:
        kind, content, *number = state
        if kind not in self._ways:
            raise StateError(path, f"has a state of an unknown kind, {kind!r}")
        if not number:
            return self._ways[kind](old, content, path)
        if id(old) in self._met:
            if kind in _KEPT:
                raise StateError(path, "is one object where there were two")
            old = None
        if old is not None:
            self._met[id(old)] = old
        self._numbered.append(old if kind in _KEPT else _UNFINISHED)
        new = self._numbered[number[0]] = self._ways[kind](old, content, path)
        return new

    def _put_seen(self, old: Any, number: int, path: str) -> Any:
        found = self._numbered[number]
        if found is _UNFINISHED:
            raise StateError(path, "holds itself")
        return found

    def _items(self, old: Any, items: list[Plain], path: str) -> list[Any]:
        there = list(old) if isinstance(old, (list, tuple, deque)) else []
        there += [None] * (len(items) - len(there))
        return [self.put(there[i], one, f"{path}[{i}]") for i, one in enumerate(items)]

    def _put_list(self, old: Any, items: list[Plain], path: str) -> list[Any]:
        new = self._items(old, items, path)
        if type(old) is not list:
            return new
        old[:] = new
        return old

    def _put_tuple(self, old: Any, items: list[Plain], path: str) -> tuple[Any, ...]:
        new = self._items(old, items, path)
        return type(old)(*new) if _is_named_tuple(old) else tuple(new)

    def _put_deque(self, old: Any, items: list[Plain], path: str) -> deque[Any]:
        new = self._items(old, items, path)
        if type(old) is not deque:  # its greatest length is not known
            raise StateError(path, "was a deque")
        old.clear()
        old.extend(new)
        return old

    def _put_dict(self, old: Any, pairs: list[Plain], path: str) -> dict[Any, Any]:
        there = old if isinstance(old, dict) else {}
        new = {key: self.put(there.get(key), one, f"{path}[{key!r}]") for key, one in pairs}
        there.clear()
        there.update(new)
        return there

    def _put_own(self, old: Any, content: Plain, path: str) -> Any:
        if not _tells_its_state(old):
            raise StateError(path, "has no methods get_state and set_state any more")
        old.set_state(put_state(None, content, path))
        return old

    def _put_object(self, old: Any, parts: dict[str, Plain], path: str) -> Any:
        _need_python(old, path)
        there = dict(_attributes(old))
        for name, state in parts.items():
            before = there.get(name)
            new = self.put(before, state, f"{path}.{name}")
            if new is not before or name not in there:
                object.__setattr__(old, name, new)
        return old


def _tells_its_state(thing: Any) -> bool:
    # Asked of the class: a wrapper may answer for what it wraps, and has a state of its own.
    own = type(thing)
    return callable(getattr(own, "get_state", None)) and callable(getattr(own, "set_state", None))


def _need_python(thing: Any, path: str) -> None:
    """Refuse an object that keeps a part of its state where Python does not see it."""
    own = type(thing)
    slots = _slots(own)
    # Beside its head an object of a class written in Python holds a dictionary, a list of weak
    # references and its slots, a word each; whatever is larger has fields of another language.
    largest = object.__basicsize__ + 8 * (2 + len(slots))
    is_python = (hasattr(thing, "__dict__") or slots) and own.__itemsize__ == 0
    if not is_python or own.__basicsize__ > largest:
        raise StateError(path, f"is a {_name(thing)}, whose state Python does not see")


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    yield from sorted(getattr(thing, "__dict__", {}).items())
    for name in _slots(type(thing)):
        if hasattr(thing, name):
            yield name, getattr(thing, name)


def _slots(own: type) -> list[str]:
    found = [vars(one).get("__slots__", ()) for one in own.__mro__]
    names = {name for one in found for name in ([one] if isinstance(one, str) else one)}
    return sorted(names - {"__dict__", "__weakref__"})


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(type(value), "_fields")


def _name(thing: Any) -> str:
    own = type(thing)
    return own.__qualname__ if own.__module__ == "builtins" else f"{own.__module__}.{own.__name__}"
