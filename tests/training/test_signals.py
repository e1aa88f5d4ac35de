"""Ctrl-C and SIGTERM become a wish; a second one is an order."""

import os
import signal
import threading

import pytest

from rl_coordconv.training.signals import STOP_SIGNALS, stop_request


@pytest.fixture(autouse=True)
def _as_in_a_terminal():
    """A shell starts what runs in its background with some signals ignored; nohup, with SIGHUP."""
    before = {one: signal.signal(one, signal.SIG_DFL) for one in STOP_SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
     (signal.SIGUSR1, 138), (signal.SIGUSR2, 140), (signal.SIGXCPU, 152)],
)  # fmt: skip
def test_the_first_signal_is_noted_and_the_second_interrupts(number, code, capfd):
    with stop_request() as stop:
        assert not stop
        assert stop.exit_code == 0
        os.kill(os.getpid(), number)
        assert stop
        assert stop.exit_code == code
        assert "once more to stop at once" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_who_is_asked_by_two_is_patient(capfd):
    """A scheduler signals all processes of a job, and so does a supervisor that it has asked."""
    with stop_request(is_patient=True) as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert stop.exit_code == 143
        assert "once more" not in capfd.readouterr().err


def test_what_the_process_was_started_to_ignore_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stop_request() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_gone_does_not_matter(monkeypatch):
    def gone(handle, content):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "write", gone)
    with stop_request() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.exit_code == 129


def test_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with stop_request():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_nothing_is_caught_and_nothing_fails():
    seen = []

    def work():
        with stop_request() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
