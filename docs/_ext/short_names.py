"""Docstrings name classes and functions by their last name; find what they mean on the site."""

from __future__ import annotations

from typing import Any


def _find(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Resolve a reference to the only object of the site that has this last name."""
    if node.get("refdomain") != "py" or node.get("reftype") not in ("obj", "class", "exc", "func"):
        return None
    domain = env.get_domain("py")
    ending = f".{node['reftarget'].rpartition('.')[2]}"
    found = [name for name in domain.objects if name.endswith(ending)]
    # The public import path is the shortest.
    if not found or (rest := sorted(found, key=len)[1:2]) and len(rest[0]) == len(min(found, key=len)):
        return None
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", min(found, key=len), node, content
    )


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("missing-reference", _find, priority=900)  # after intersphinx
    return {"parallel_read_safe": True, "parallel_write_safe": True}
