"""Reading YAML as data and turning pydantic's complaints into one readable error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from rl_coordconv._util.errors import InputError, closest, shown
from rl_coordconv._util.yaml_loading import read_yaml_file

T = TypeVar("T")

Scalar = (
    bool
    | Annotated[int, Field(ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | str
)
"""What an option of somebody's class may be: it comes back from JSON as it was."""

_MOST_COMPLAINTS = 5
"""Of a file, in one message."""


def read_yaml(path: Path, *, follow: bool = True) -> dict[str, Any]:
    """Read a YAML mapping; see `read_yaml_file`.

    Raises:
        InputError: the file cannot be read, is not YAML, or not a mapping.
    """
    data = read_yaml_file(path, follow=follow)
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a mapping of names to values, not {shown(data)}")
    return data


def validate(adapter: TypeAdapter[T], data: Any, *, where: str, keys: Iterable[str] = ()) -> T:
    """Check data against a pydantic type.

    Args:
        adapter: the type, as pydantic wraps it.
        data: what was read.
        where: the file or flag that the data came from, for the message.
        keys: the keys that exist, from which an unknown key's closest match is chosen.

    Raises:
        InputError: names the place and, of each offending key, the value and what is allowed.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        known, found = list(keys), error.errors()
        complaints = [_complaint(item, data, known) for item in found[:_MOST_COMPLAINTS]]
        if len(found) > _MOST_COMPLAINTS:
            complaints.append(f"and {len(found) - _MOST_COMPLAINTS:,} more")
        raise InputError(f"{where} is not valid: {'; '.join(complaints)}") from error


def _complaint(item: Any, data: Any, known: list[str]) -> str:
    path = [str(key) for key in item["loc"]]
    # A discriminated union puts its tag in front of the location; the tag is no key of the data.
    if len(path) > 1 and isinstance(data, dict) and path[0] not in data:
        path = path[1:]
    place = _place(path)
    if item["type"] == "union_tag_not_found":
        return f"{item['ctx']['discriminator'].strip(chr(39))}: missing"
    if item["type"] == "union_tag_invalid":
        ctx = item["ctx"]
        key = ctx["discriminator"].strip("'")
        return f"{key}: unknown value {shown(ctx['tag'])} (allowed: {ctx['expected_tags']})"
    if item["type"] == "missing":
        return f"{place}: missing"
    if item["type"] == "extra_forbidden":
        nearest = closest(path[-1], known, most=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return f"{place}: unknown key (value {shown(item['input'])}){hint}"
    reason = item["msg"].removeprefix("Value error, ")
    # Our own validators name the value themselves.
    return (
        f"{place}: {reason}"
        if item["type"] == "value_error"
        else f"{place}: {reason}, got {shown(item['input'])}"
    )


def _place(path: list[str]) -> str:
    """Write where something stands; a key of a damaged file can be as long as the file."""
    parts = [part if len(part) <= 100 else f"{part[:100]}..." for part in path]
    return ".".join(parts) or "the whole"
