"""How flags are read and shown: what may be left out has no None, whole numbers are also 1e6."""

from __future__ import annotations

import types
import typing
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import PrimitiveConstructorSpec

_ARG = type(tyro.conf.arg())
_MOST_DIGITS = 4300
"""Of a whole number written with an exponent; Python itself reads no more digits."""


def prepare(kind: type) -> type:
    """Rewrite the annotations of a command's arguments, once, for tyro.

    An optional flag is shown as its type alone and takes that alone; a default of nothing is not
    shown, since the text tells what happens then; whole numbers may be written as ``1e6`` or
    ``10_000_000``.

    Args:
        kind: a dataclass.
    """
    if "_is_prepared" in vars(kind):
        return kind
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint = hints[field.name]
        marks = list(getattr(hint, "__metadata__", ()))
        plain = hint.__origin__ if marks else hint
        given = next((mark for mark in marks if isinstance(mark, _ARG)), None)
        shown = tyro.conf.arg(
            name=getattr(given, "name", None),
            metavar=getattr(given, "metavar", None),
            aliases=getattr(given, "aliases", None),
            help_behavior_hint=_default,
        )
        marks = [mark for mark in marks if mark is not given]
        kind.__annotations__[field.name] = Annotated[(plain, *marks, *_reader(plain), shown)]
    kind._is_prepared = True  # type: ignore[attr-defined]
    return kind


def whole_number(text: str) -> int:
    """Read a whole number: ``1000000``, ``1_000_000``, ``1e6`` or ``2.5e6``.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        pass
    mantissa, mark, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits, zeros = whole + fraction, int(exponent) - len(fraction) if mark else -1
    if not digits.lstrip("+-").isdecimal() or not 0 <= zeros <= _MOST_DIGITS:
        raise ValueError(f"{text!r} is no whole number")
    return int(digits) * 10**zeros


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _default(text: str) -> str:
    return "" if text in ("None", "") else f"(default: {text})"


def _reader(kind: Any) -> list[PrimitiveConstructorSpec[Any]]:
    """Return how a type is read where tyro's own way is not ours."""
    is_optional = isinstance(kind, types.UnionType) or get_origin(kind) is typing.Union
    inner = next(one for one in get_args(kind) if one is not type(None)) if is_optional else kind
    if inner is int:
        return [_spec("INT", whole_number)]
    if not is_optional:
        return []
    if get_origin(inner) is Literal:
        choices = get_args(inner)
        return [_spec(f"{{{','.join(choices)}}}", str, choices)]
    if get_origin(inner) is tuple:
        return [_list_spec()]
    if inner is bool:
        return [_spec("{true,false}", _truth)]
    return [_spec({str: "STR", float: "FLOAT", Path: "PATH"}[inner], inner)]


def _spec(
    metavar: str, read: Any, choices: tuple[str, ...] | None = None
) -> PrimitiveConstructorSpec[Any]:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: read(words[0]),
        is_instance=lambda _: True,
        str_from_instance=lambda value: [str(value)],
        choices=choices,
    )


def _list_spec() -> PrimitiveConstructorSpec[Any]:
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME ...",
        instance_from_str=tuple,
        is_instance=lambda _: True,
        str_from_instance=lambda value: ["None"] if value is None else list(value),
    )
