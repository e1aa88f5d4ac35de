"""Docstrings name classes and functions by their last name; find what they mean on the site."""

from __future__ import annotations

from typing import Any


def _find(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Resolve a reference to the only object of the site that has this last name."""
    if node.get("refdomain") != "py" or node.get("reftype") not in ("obj", "class", "exc", "func"):
        return None
    module, _, last = node["reftarget"].rpartition(".")
    if module and not module.startswith("rl_coordconv"):
        return None  # another library's class of the same name
    domain, ending = env.get_domain("py"), f".{last}"
    found = sorted((name for name in domain.objects if name.endswith(ending)), key=len)
    if not found or (len(found) > 1 and len(found[0]) == len(found[1])):
        return None
    # The public import path is the shortest.
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, content)


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("missing-reference", _find, priority=900)  # after intersphinx
    return {"parallel_read_safe": True, "parallel_write_safe": True}
