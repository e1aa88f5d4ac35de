"""Text made fit to be shown: in a terminal, in a report, in a spreadsheet; and durations."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what steers a terminal or the direction of writing, or is no character:
control and format characters, surrogates, separators of lines and paragraphs."""

LONGEST_NAME = 300
"""Characters of a name in a report."""
LONGEST_REASON = 1000
"""Of an error there."""

_FORMULA = re.compile(r"\s*[=+\-@\uff0b\uff0d\uff1d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)


def visible(text: str, keep: str = "") -> str:
    """Write characters that steer rather than show as their escapes: ``\\x1b``, ``\\u202e``.

    Args:
        text: anything.
        keep: such characters that stay, for example the ends of lines.
    """
    if text.isprintable():
        return text
    return "".join(
        ascii(char)[1:-1] if char not in keep and unicodedata.category(char) in _HIDDEN else char
        for char in text
    )


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """Cut a text that is too long; a digest of the whole keeps it different from all others.

    Args:
        text: anything.
        longest: characters, at least 20.
    """
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:8]
    return f"{text[: longest - 12]}... {digest}"


def as_name(text: str) -> str:
    """Return a name from a file as it is shown: on one line, without what steers, not too long."""
    return shortened(visible(text))


def as_reason(text: str) -> str:
    """Return what went wrong, as a report tells it: on one line, and not too long."""
    return shortened(visible(" ".join(text.split())), LONGEST_REASON)


def as_cell(text: str) -> str:
    """Return a text as a cell of a spreadsheet that is shown there and never computed.

    Spreadsheets take a cell for a formula that begins with one of ``= + - @``, a tab or the end of
    a line; an apostrophe before it makes it text. A number stays a number.

    Source:
        OWASP, "CSV Injection".
    """
    shown = visible(text)
    if _NUMBER.fullmatch(text):
        return text
    return f"'{shown}" if _FORMULA.match(text) else shown


def format_seconds(seconds: float) -> str:
    """Write a duration as ``1:02:03``, or ``2:03`` below an hour."""
    whole = max(0, math.ceil(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
