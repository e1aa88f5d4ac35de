"""YAML as plain data; what is ambiguous, or could exhaust the machine, is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.reading import read_bytes

MAX_BYTES = 2**20
"""Of a file; the largest that we ship has 6 kB."""
MAX_DEPTH = 32
"""Of lists and mappings in each other."""
MAX_VALUES = 20_000
"""Of a file, those that aliases repeat included."""
MAX_CHARACTERS = MAX_BYTES
"""Of all these values together: a long text is not repeated by aliases either."""

# PyYAML's constructors of numbers, dates and explicit tags let all of these through.
_UNREADABLE = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)


def read_yaml_file(path: Path, *, follow: bool = True) -> Any:
    """Read a YAML file.

    Args:
        path: where it lies.
        follow: whether it may be a link, as a file that a person names may.

    Raises:
        InputError: no regular file of at most `MAX_BYTES` of UTF-8, or as `parse_yaml`.
    """
    try:
        there = path.resolve(strict=True) if follow else path
    except (OSError, RuntimeError, ValueError):  # for the message below
        there = path
    content = read_bytes(there, MAX_BYTES)
    try:
        text = content.decode("utf8")
    except UnicodeDecodeError as error:
        place = f"byte 0x{content[error.start]:02x} at position {error.start}"
        raise InputError(f"{path} is not UTF-8 text: {place}") from error
    return parse_yaml(text, where=str(path))


def parse_yaml(text: str, *, where: str) -> Any:
    """Read YAML; tags that would construct Python objects are refused.

    Args:
        text: a single document.
        where: what holds it, for the message.

    Raises:
        InputError: not YAML; a key given twice; more than `MAX_DEPTH` levels, `MAX_VALUES` values
            or `MAX_CHARACTERS` characters; a number or date that does not exist.
    """
    try:
        return _PlainLoader(text).get_single_data()
    except yaml.YAMLError as error:
        raise InputError(f"{where} is not valid YAML: {_describe(error)}") from error
    except _UNREADABLE as error:
        raise InputError(f"{where} holds a value that cannot be read: {error}") from error


def _describe(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error)
    text = ", ".join(filter(None, (error.context, error.problem)))
    mark = error.problem_mark or error.context_mark
    return f"{text} (line {mark.line + 1}, column {mark.column + 1})" if mark else text


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader that keeps count, and takes a key once."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._values = self._characters = 0
        self._sizes: dict[int, tuple[int, int]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event, before = self.peek_event(), (self._values, self._characters)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _refusal(f"more than {MAX_DEPTH} levels of lists and mappings", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            self._count_alias(node, event)
        else:
            self._values += 1
            self._characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
            self._sizes[id(node)] = (self._values - before[0], self._characters - before[1])
        self._check_counts(event)
        return node

    def _count_alias(self, node: yaml.Node | None, event: yaml.AliasEvent) -> None:
        if id(node) not in self._sizes:
            raise _refusal(f"alias {event.anchor!r} contains itself", event)
        values, characters = self._sizes[id(node)]
        self._values += values
        self._characters += characters

    def _check_counts(self, event: yaml.Event) -> None:
        for count, most, what in (
            (self._values, MAX_VALUES, "values"),
            (self._characters, MAX_CHARACTERS, "characters"),
        ):
            if count > most:
                raise _refusal(f"more than {most:,} {what}, aliases written out", event)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                raise _refusal(f"key {_written(key)} is given twice", key)
            seen.add(name)
        return node


def _written(key: yaml.Node) -> str:
    return shown(key.value) if isinstance(key, yaml.ScalarNode) else "that is no scalar"


def _refusal(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)
