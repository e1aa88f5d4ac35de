"""Graceful stop: Ctrl-C and the signals of schedulers end a training at its next safe point."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU")
"""Ctrl-C; kill, and a scheduler's end; a terminal that is closed; Ctrl-\\; a scheduler's warning,
as SLURM's ``--signal`` or Grid Engine's; its limit of processor time."""

STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in _NAMES if hasattr(signal, name)
)
"""Those of them that this system has."""


class StopRequest:
    """Whether this process was asked to stop, and by which signal.

    Args:
        is_patient: whether being asked again changes nothing.
    """

    def __init__(self, *, is_patient: bool = False) -> None:
        self._is_patient = is_patient
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells do: 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM; or 0."""
        return 0 if self.signal is None else 128 + self.signal

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if self._is_patient:
                return
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)
        hint = b"" if self._is_patient else b"; once more to stop at once"
        # print() may not be called again from within itself, which is where a signal can arrive;
        # of a terminal that was closed nothing is left to write to.
        with suppress(OSError):
            os.write(2, b"\nstopping after this update and saving" + hint + b"\n")


@contextmanager
def stop_request(*, is_patient: bool = False) -> Iterator[StopRequest]:
    """Catch the first of `STOP_SIGNALS`; a second one interrupts at once.

    Where SIGHUP is ignored, as with ``nohup``, it stays so. SIGINT and SIGQUIT, which a shell lets
    its background jobs ignore, are caught all the same: whoever sends them to a training by its
    process id means it.
    Outside the main thread, where Python allows no handlers, nothing is caught.

    Args:
        is_patient: whether being asked again changes nothing: for a process that a scheduler and
            a supervisor ask, each for itself, and that the supervisor ends if it must.
    """
    request = StopRequest(is_patient=is_patient)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    caught = [one for one in STOP_SIGNALS if not _is_kept_off(one)]
    before = {one: signal.signal(one, request._handle) for one in caught}
    try:
        yield request
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _is_kept_off(number: signal.Signals) -> bool:
    """Tell whether somebody wants the process to outlive its terminal."""
    return number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN
