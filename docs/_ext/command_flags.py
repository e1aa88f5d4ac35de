"""``{command-flags}``: every command and its flags, from the parsers that read them."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

import tyro
from docutils import nodes
from docutils.statemachine import StringList
from known_commands import find_commands
from sphinx.util.docutils import SphinxDirective

from rl_coordconv.cli.flags import prepare

PROGRAM = "rl-coordconv"


def describe_commands() -> str:
    """Return a section for every command, in Markdown with MyST's directives."""
    return "\n".join(line for words, kind in find_commands().items() for line in _section(words, kind))


def _section(words: str, kind: type) -> Iterator[str]:
    with warnings.catch_warnings():
        # tyro has no other way to list what a parser takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(prepare(kind), prog=f"{PROGRAM} {words}")
    yield from (f"## {words}", "", parser.description or "", "")
    yield from (f":::{{program}} {PROGRAM} {words}", ":::", "")
    for action in parser._actions:
        if "--help" not in action.option_strings:
            yield from (f"::::{{option}} {_signature(action)}", *_help(action), "::::", "")


def _signature(action: argparse.Action) -> str:
    flag = next(iter(action.option_strings), "")  # --no-x beside --x says nothing more
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    return f"{flag} {metavar}".strip()


def _help(action: argparse.Action) -> Iterator[str]:
    text = (action.help or "").replace("(default: False)", "").strip()
    # Each line by itself: what stands in a docstring is no Markdown list or heading.
    yield from (line.strip() for line in text.splitlines())


class CommandFlags(SphinxDirective):
    """Takes nothing, so that a page cannot say of a command what is not so."""

    def run(self) -> list[nodes.Node]:
        """Return a section for every command."""
        lines = StringList(describe_commands().splitlines(), source=__file__)
        holder = nodes.Element()
        self.state.nested_parse(lines, self.content_offset, holder, match_titles=True)
        return holder.children


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_directive("command-flags", CommandFlags)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
