"""``{command-flags}``: every command and its flags, from the parsers that read them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from known_commands import describe_commands
from sphinx.util.docutils import SphinxDirective


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
