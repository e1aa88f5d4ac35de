"""Arms of a comparison: an extractor with its options, as written in sweeps and read in reports.

``coordconv``, ``coordconv(with_r=true)``, ``my_package.nets:MyCNN(depth=3, kind=wide)``: the values
are YAML scalars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.yaml_loading import parse_yaml
from rl_coordconv.extractors.registry import EXTRACTORS
from rl_coordconv.extractors.spec import Role

_ARM = re.compile(r"\s*([^()]+?)\s*(?:\(([^()]*)\))?\s*")
Options = Mapping[str, Any]


def arm_name(extractor: str, options: Options) -> str:
    """Name an arm: its extractor, and its options, sorted, where it has any."""
    if not options:
        return extractor
    pairs = (f"{key}={_write(value)}" for key, value in sorted(options.items()))
    return f"{extractor}({', '.join(pairs)})"


def parse_arm(text: str) -> tuple[str, dict[str, Any]]:
    """Return an arm's extractor and options; neither is looked up.

    Raises:
        InputError: the text has another form.
    """
    match = _ARM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InputError(
            f"arm {shown(text)} is not of the form extractor or extractor(option=value, ...)"
        )
    name, inside = match.groups()
    options: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in (inside or "").split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise InputError(f"arm {shown(text)}: {shown(part)} is not of the form option=value")
        if key in options:
            raise InputError(f"arm {shown(text)} says option {key!r} twice")
        options[key] = _read(text, value)
    return name, options


def extractor_of(arm: str) -> str:
    """Return the extractor's name in an arm's."""
    return arm.partition("(")[0].strip()


def is_control(arm: str) -> bool:
    """Tell whether an arm is a control."""
    spec = EXTRACTORS.get(extractor_of(arm))
    return spec is not None and spec.role is Role.CONTROL


def control_of(arm: str, arms: Iterable[str]) -> str | None:
    """Return the arm among ``arms`` that is an arm's control, best with the same options."""
    spec = EXTRACTORS.get(extractor_of(arm))
    if spec is None or spec.control is None:
        return None
    found = [other for other in arms if extractor_of(other) == spec.control]
    same = spec.control + arm.removeprefix(spec.name)
    return next((other for other in (same, spec.control) if other in found), None)


def published_tally(arm: str, other: str, algorithm: str) -> str | None:
    """Return the CoordConv paper's tally of an arm against another, where it reports one."""
    spec = EXTRACTORS.get(extractor_of(arm))
    return spec.published.get(algorithm) if spec is not None and other == "cnn" else None


def _write(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(text: str, value: str) -> Any:
    try:
        read = parse_yaml(value, where="an option")
    except InputError:
        read = None
    if not isinstance(read, str | int | float | bool):
        raise InputError(
            f"arm {shown(text)}: value {shown(value)} is no number, text or truth value"
        )
    return read
