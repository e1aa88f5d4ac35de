"""The repository's pages, and the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", *PAGES]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w{}-]*)")
_FILE = re.compile(r"<!-- file: (\S+) -->")
_INLINE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: what follows the fence.
        text: its lines, without the fence's indentation.
        is_fragment: whether ``<!-- fragment -->`` stands over it: it cannot run by itself.
        file: the path in ``<!-- file: PATH -->`` over it: a reader saves it there.
    """

    language: str
    text: str
    is_fragment: bool = False
    file: str | None = None


def read(document):
    return (ROOT / document).read_text(encoding="utf8")


def blocks(document):
    """Return the fenced blocks of a page, in order."""
    return _divide(read(document))[0]


def inline_code(document):
    """Return what stands in backticks outside of blocks, each on one line."""
    prose = _divide(read(document))[1]
    return [" ".join(code.split()) for code in _INLINE.findall(prose)]


def _divide(text):
    found, prose, lines, opened, before = [], [], [], None, ""
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, lines = fence, []
        elif opened is not None and line.strip() == "```":
            file = _FILE.search(before)
            found.append(Block(opened["language"], "\n".join(lines) + "\n",
                               "<!-- fragment -->" in before, file and file[1]))  # fmt: skip
            opened = None
        elif opened is not None:
            lines.append(line.removeprefix(opened["indent"]))
        else:
            prose.append(line)
            before = line
    assert opened is None, "a block has no end"
    return found, "\n".join(prose)
