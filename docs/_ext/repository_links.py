"""Links that work where the repository is read and on the site.

Pages link to each other and to other files by relative paths. On the site a file outside of
``docs/`` is a page (CHANGELOG.md), or is read in the repository where that has an address, or is
carried along for download.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BRANCH = "main"
_LINK = re.compile(r"(?P<text>!?\[[^\[\]]*\])\((?P<path>[^()\s#]+)(?P<anchor>#[^()\s]*)?\)")
_FENCE = re.compile(r"^\s*(```|~~~|:::)")
_ADDRESS = re.compile(r"[a-z]+:")


@dataclass(frozen=True)
class Repository:
    """Where things are.

    Attributes:
        root: the repository.
        pages: of files at its top that are pages, each page's path below ``docs/``.
        url: the repository's address, or None.
    """

    root: Path
    pages: dict[str, str]
    url: str | None = None

    @property
    def docs(self) -> Path:
        """The folder of the pages."""
        return self.root / "docs"

    def rewrite(self, text: str, source: Path, page: Path) -> str:
        """Return a page's text with its links as the site needs them.

        Args:
            text: Markdown.
            source: the file that it was written in, which its links start from.
            page: the file that Sphinx takes it for.
        """
        lines, is_code = [], False
        for line in text.splitlines(keepends=True):
            fence = bool(_FENCE.match(line))
            is_code ^= fence
            keep = is_code or fence
            lines.append(
                line if keep else _LINK.sub(lambda found: self._link(found, source, page), line)
            )
        return "".join(lines)

    def _link(self, found: re.Match[str], source: Path, page: Path) -> str:
        text, path, anchor = found["text"], found["path"], found["anchor"] or ""
        if _ADDRESS.match(path):
            return found[0]
        target = (source.parent / path).resolve()
        if not target.is_relative_to(self.root) or not target.exists():
            return found[0]  # Sphinx will say that it leads nowhere
        place = self._place(target, page)
        return text[1:-1] if place is None else f"{text}({place}{anchor})"

    def _place(self, target: Path, page: Path) -> str | None:
        """Return what a link of a page has to say, or None where it can lead nowhere."""
        name = target.relative_to(self.root).as_posix()
        if (
            target.is_dir()
            and (target / "README.md").is_file()
            and target.is_relative_to(self.docs)
        ):
            target /= "README.md"
        if name in self.pages:
            target = self.docs / f"{self.pages[name]}.md"
        elif not target.is_relative_to(self.docs) or target.is_dir():
            if self.url is not None:
                kind = "tree" if target.is_dir() else "blob"
                return f"{self.url.rstrip('/')}/{kind}/{BRANCH}/{name}"
            if target.is_dir() or target.suffix == ".md":
                return None
        return Path(os.path.relpath(target, page.parent)).as_posix()


def _read(app: Any, docname: str, text: list[str]) -> None:
    shown = app.config.repository_pages
    root = Path(app.srcdir).parent
    repository = Repository(
        root, {file: page for page, file in shown.items()}, app.config.repository_url
    )
    page = source = Path(app.env.doc2path(docname))
    if docname in shown:
        source = root / shown[docname]
        app.env.note_dependency(str(source))
        text[0] = source.read_text(encoding="utf8")
    if source.suffix == ".md":
        text[0] = repository.rewrite(text[0], source, page)


def setup(app: Any) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.add_config_value("repository_pages", {}, "env", dict)
    app.add_config_value("repository_url", None, "env", (str, type(None)))
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
