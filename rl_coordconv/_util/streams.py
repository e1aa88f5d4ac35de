"""Standard output and error that outlive whoever reads them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_GONE = (errno.EPIPE, errno.EIO, errno.ENXIO)
"""A pipe that nobody reads any more, a terminal that was closed."""


class SurvivingStream:
    """A stream whose reader may go: what is written from then on is dropped.

    ``train ... | head`` must not end a training, nor a terminal that was closed.

    Args:
        stream: standard output or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        with self._survived():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or drop it."""
        with self._survived():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _survived(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _GONE:
                raise
            _write_nowhere(self._stream)


def _write_nowhere(stream: TextIO) -> None:
    """Let a stream's file go nowhere: Python flushes it once more when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def surviving_streams() -> Iterator[None]:
    """Let standard output and error outlive their readers for a while."""
    before = sys.stdout, sys.stderr
    # A daemon has neither, which print and rich know and a wrapper would hide.
    sys.stdout, sys.stderr = (one and SurvivingStream(one) for one in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
