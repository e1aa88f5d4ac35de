"""``policy.safetensors``: numbers by their names, whose header is checked before it is believed."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.reading import open_file, parse_json, read_bytes
from rl_coordconv._util.validation import validate

MAX_BYTES = 2**31
"""Of the file: more than 500 million weights are no policy of ours."""
_MAX_HEADER_BYTES = 2**22
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
               "U8": 1, "BOOL": 1}  # fmt: skip

Side = Annotated[int, Field(ge=0, lt=2**48, strict=True)]
Shapes = dict[str, tuple[int, ...]]


class _Entry(BaseModel):
    """What the header says of one tensor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: str
    shape: Annotated[tuple[Side, ...], Field(max_length=16)]
    data_offsets: tuple[Side, Side]


_HEADER: TypeAdapter[dict[str, _Entry]] = TypeAdapter(dict[str, _Entry])


def read_shapes(path: Path) -> Shapes:
    """Read the shapes of a file's tensors from its header, which has to agree with its size.

    Raises:
        InputError: the file cannot be read, or its header does not describe what follows it.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
            raise InputError(f"{path} is damaged: its header cannot be read")
        header = parse_json(file.read(length), f"the header of {path}")
    if isinstance(header, dict):
        header.pop("__metadata__", None)
    entries = validate(_HEADER, header, where=f"{path} is damaged: its header")
    for name, entry in entries.items():
        begin, end = entry.data_offsets
        if _bytes_of(entry) != end - begin or end > size - 8 - length:
            raise InputError(
                f"{path} is damaged: its header claims {entry.shape} of {entry.dtype} for "
                f"{name[:100]!r}, which are not there"
            )
    described = max((entry.data_offsets[1] for entry in entries.values()), default=0)
    if described != size - 8 - length:
        raise InputError(
            f"{path} is damaged: its header describes {described:,} bytes, and "
            f"{size - 8 - length:,} follow it"
        )
    return {name: entry.shape for name, entry in entries.items()}


def _bytes_of(entry: _Entry) -> int | None:
    size = _ITEM_BYTES.get(entry.dtype)
    return None if size is None else size * math.prod(entry.shape)


def count_weights(path: Path) -> int:
    """Count a file's numbers from its header alone; raises as `read_shapes`."""
    return sum(map(math.prod, read_shapes(path).values()))


def read_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Read a file's tensors.

    Args:
        path: where it lies.
        sha256: the digest that it has to have.

    Returns:
        The tensors by their names.

    Raises:
        InputError: the file cannot be read, does not have this digest, is no safetensors file, or
            holds a number that is NaN or infinite.
    """
    content = read_bytes(path, MAX_BYTES)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path} does not match the checksum in policy.json")
    try:
        tensors: dict[str, torch.Tensor] = load_tensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"{path} is damaged: {name} holds numbers that are NaN or infinite")
    return tensors


def check_shapes(there: Shapes, own: Shapes, refusal: str) -> None:
    """Refuse weights that are not those of a network.

    Args:
        there: shapes by the weights' names, of a file.
        own: of the network.
        refusal: the beginning of the message.

    Raises:
        InputError: names the first weights that differ, and their shapes.
    """
    wrong = [
        f"{name} is {there.get(name, 'missing')} there and {own.get(name, 'missing')} here"
        for name in sorted(own.keys() | there.keys())
        if own.get(name) != there.get(name)
    ]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(f"{refusal}: {'; '.join(wrong[:3])}{more}")
