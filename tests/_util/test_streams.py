"""Output whose reader goes away is dropped; the program goes on."""

import errno
import io
import subprocess
import sys

import pytest

from rl_coordconv._util.streams import SurvivingStream, surviving_streams

PROGRAM = """
import sys, time
from rich.console import Console
from rl_coordconv._util.streams import surviving_streams
with surviving_streams():
    console = Console()
    for number in range(20_000):
        console.print(f"line {number}")
        print("another", number)
    print("finished", file=sys.stderr)
"""


def test_a_pipe_that_nobody_reads_ends_nothing():
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    with process.stderr:
        assert process.stderr.read() == "finished\n"


class Broken(io.StringIO):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, "no")


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_what_cannot_be_written_to_a_reader_that_is_gone_is_dropped(number):
    assert SurvivingStream(Broken(number)).write("four") == 4


def test_other_errors_stay():
    with pytest.raises(OSError, match="no"):
        SurvivingStream(Broken(errno.ENOSPC)).write("x")


def test_the_streams_are_put_back():
    before = sys.stdout, sys.stderr
    with surviving_streams():
        assert sys.stdout is not before[0]
        assert sys.stdout.isatty() == before[0].isatty()
    assert (sys.stdout, sys.stderr) == before


def test_where_there_are_none_there_are_none(monkeypatch):
    """As in a daemon, and with >&- in a shell."""
    monkeypatch.setattr(sys, "stdout", None)
    with surviving_streams():
        print("to nobody")
        assert sys.stdout is None
