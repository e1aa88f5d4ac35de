"""Lines of files to which a run appends while it goes on."""

from __future__ import annotations


def complete_lines(content: bytes) -> list[str | None]:
    """Return the lines that are whole, and None for those that are no text.

    A process that dies leaves the last line cut anywhere, perhaps where it still looks like one,
    so that only the newline tells that a line is whole. A power cut may leave blocks of NUL bytes
    where nothing was written yet: a line with one in it lacks a part.

    Args:
        content: of the file, from the beginning of a line on.
    """
    *whole, _ = content.split(b"\n")
    return [_text(line) for line in whole]


def _text(line: bytes) -> str | None:
    if b"\0" in line:
        return None
    try:
        return line.decode("utf8").removesuffix("\r")
    except UnicodeDecodeError:
        return None
