"""The worker process, which trains one run: ``python -m rl_coordconv.sweeps.worker``.

A process of its own for every run: its threads, its CUDA context and its failure are its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

import rl_coordconv

BUSY = 75
"""Exit code where another process holds the run (EX_TEMPFAIL of sysexits.h)."""
DISK_FULL = 74
"""Exit code where that could not even be written down (EX_IOERR of sysexits.h)."""
FAILED = 1


def command(run: Path, threads: int, *, trust: bool = False) -> list[str]:
    """Return the command that trains a run for the process that calls this.

    It stops when its standard input ends, which is to be a pipe from that process: a sweep that is
    gone, however it died, leaves nobody behind. A process's number would tell less: it means
    nothing on another machine or in another container.

    Args:
        run: the run's directory.
        threads: of torch and of the emulator.
        trust: whether code from outside that the run's configuration names is imported, as the
            process that planned the sweep did, too.
    """
    trusted = ["--trust"] if trust else []
    return [sys.executable, "-m", __name__, str(run),
            "--threads", str(threads), "--stop-with-input", *trusted]  # fmt: skip


def environment(threads: int) -> dict[str, str]:
    """Return the environment variables for that command."""
    # A script of a clone finds the package beside itself; its workers have to be told.
    package = str(Path(rl_coordconv.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}


def main(argv: Sequence[str] | None = None) -> int:
    """Train a run and return the process's exit code.

    Args:
        argv: the run's directory and flags; None takes this process's.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--stop-with-input", action="store_true")
    parser.add_argument("--trust", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.stop_with_input:
        _stop_with_input()
    from rl_coordconv.machine.hardware import limit_openmp_spinning

    limit_openmp_spinning()
    return _train(arguments.run, arguments.threads, arguments.trust)


def _train(path: str, threads: int, trust: bool) -> int:
    from rl_coordconv._util.console import PlainConsole
    from rl_coordconv._util.files import is_full
    from rl_coordconv.runs import RunBusyError, RunDirectory
    from rl_coordconv.training.train import train
    from rl_coordconv.training.trust import import_named_code

    try:
        argv = [sys.executable, *sys.argv]
        run = RunDirectory(path)
        if trust:
            import_named_code(run.config())
        return train(run, PlainConsole(), argv, threads=threads, is_patient=True)
    except RunBusyError as error:
        print(error, file=sys.stderr)
        return BUSY
    except Exception as error:
        traceback.print_exc()
        return DISK_FULL if is_full(error) else FAILED


def _stop_with_input() -> None:
    """Stop, with a checkpoint, when the sweep is gone: nobody would look after this run."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
