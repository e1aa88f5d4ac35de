"""What a model's zip would import when it is loaded, told without loading any of it.

stable-baselines3 keeps pickles in its zips: as text inside ``data``, and as torch's own files. A
pickle is a program; here its instructions are read and none is carried out. The listing tells what
a file names, not that it is harmless: what is named can be called with any arguments.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.reading import open_file
from rl_coordconv._util.text import as_name

MAX_MEMBER_BYTES = 2**28
"""Of what is unpacked of one member."""
_MAX_MEMBERS = 1000

# What zipfile answers to an archive that was cut, flipped or made up.
DAMAGE = (zipfile.BadZipFile, OSError, EOFError, LookupError, ValueError, NotImplementedError,
          RuntimeError, MemoryError, struct.error, zlib.error)  # fmt: skip

_STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
            "BINUNICODE8")  # fmt: skip
_MEMORISED = ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT")
_REMEMBERED = ("GET", "BINGET", "LONG_BINGET")
_NEUTRAL = ("PROTO", "FRAME")
_UNKNOWN = "?"
_PROTOCOL = b"\x80"
"""With which each pickle begins that says its protocol, 2 or later; torch writes 2."""


@dataclass(frozen=True)
class ZipListing:
    """What lies in a model's zip.

    Attributes:
        members: names of the files in it.
        imports: what its pickles would import, ``module.name``, sorted; ``?`` where they work that
            out while they run.
    """

    members: tuple[str, ...]
    imports: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The listing in words, names made fit to be shown."""
        shown = ", ".join(as_name(name) for name in self.imports[:20])
        more = f" and {len(self.imports) - 20} more" if len(self.imports) > 20 else ""
        return f"its pickles would import {shown or 'nothing'}{more}"


def list_model(path: Path) -> ZipListing:
    """List a zip of stable-baselines3 without running any of it.

    Raises:
        InputError: it cannot be read, is no zip, or unpacks to more than is allowed.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            members = tuple(archive.namelist())
            imports = {name for one in _pickles(archive) for name in imports_of(one)}
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path} is not a model saved by stable-baselines3: {error}") from error
    return ZipListing(members, tuple(sorted(imports)))


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member of at most `MAX_MEMBER_BYTES`.

    Raises:
        ValueError: it is larger, whatever the archive says.
        KeyError: there is none.
    """
    with archive.open(name) as file:
        content = file.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise ValueError(f"{name} unpacks to more than {MAX_MEMBER_BYTES:,} bytes")
    return content


def _pickles(archive: zipfile.ZipFile, depth: int = 0) -> Iterator[bytes]:
    if len(archive.namelist()) > _MAX_MEMBERS:
        raise ValueError(f"it has more than {_MAX_MEMBERS} members")
    for name in archive.namelist():
        if name.endswith(".pkl"):
            yield read_member(archive, name)
        elif name.endswith((".pth", ".pt")) and depth == 0:
            content = read_member(archive, name)
            if zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    yield from _pickles(inner, depth + 1)
            else:
                yield content
        elif name == "data":
            yield from _serialized(json.loads(read_member(archive, name)))


def _serialized(data: Any) -> Iterator[bytes]:
    """Return the pickles that SB3 keeps as base64 beside its JSON."""
    entries = data.values() if isinstance(data, dict) else ()
    for entry in entries:
        text = entry.get(":serialized:") if isinstance(entry, dict) else None
        if isinstance(text, str):
            try:
                yield base64.b64decode(text)
            except binascii.Error as error:
                raise ValueError(f"a part of it is no base64: {error}") from error


def imports_of(content: bytes) -> set[str]:
    """Return what pickles would import, without running them.

    Args:
        content: one pickle, or several one after another, as torch wrote them before its files were
            archives, perhaps with other data behind them; of one that is cut, what stands before
            the cut is told.
    """
    found: set[str] = set()
    stream = io.BytesIO(content)
    begun = 0
    while begun < len(content) and (begun == 0 or content[begun : begun + 1] == _PROTOCOL):
        found |= _imports_of_one(stream)
        begun = stream.tell() if stream.tell() > begun else len(content)
    return found


def _imports_of_one(stream: io.BytesIO) -> set[str]:
    found: set[str] = set()
    memo: dict[Any, str | None] = {}
    texts: list[str] = []  # that lie on top of the stack for sure
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            name = opcode.name
            if name in _STRINGS:
                texts.append(str(argument))
            elif name in _MEMORISED:
                memo[len(memo) if argument is None else argument] = texts[-1] if texts else None
            elif name in _REMEMBERED:
                text = memo.get(argument)
                texts = [] if text is None else [*texts, text]
            elif name not in _NEUTRAL:
                found |= _imported(name, argument, texts)
                texts = []
    except (ValueError, IndexError):
        found.add(_UNKNOWN)
    return found


def _imported(opcode: str, argument: Any, texts: list[str]) -> set[str]:
    if opcode in ("GLOBAL", "INST"):
        return {str(argument).replace(" ", ".")}
    if opcode == "STACK_GLOBAL":
        return {".".join(texts[-2:]) if len(texts) > 1 else _UNKNOWN}
    return {_UNKNOWN} if opcode.startswith("EXT") else set()
