"""Find the command, run it, and turn a user's mistake into one clear message."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rl_coordconv._util.errors import (
    DivergedError,
    InputError,
    MissingExtraError,
    UnknownNameError,
    unknown_name,
)
from rl_coordconv._util.streams import surviving_streams
from rl_coordconv._util.text import visible
from rl_coordconv.machine.hardware import limit_openmp_spinning
from rl_coordconv.version import __version__

COMMANDS = {
    "train": "train one agent on one game",
    "sweep": "train games x agents x extractors x seeds; sweep status DIR: where they stand",
    "compare": "turn sweeps into a report: where, how much, how sure",
    "evaluate": "let a trained agent play, record a video, or take its coordinates away",
    "curves": "draw the learning curves of runs",
    "export": "write a trained agent as ONNX, for programs without PyTorch",
    "track": "upload finished runs to wandb, trackio or mlflow",
    "push": "publish a trained agent on the Hugging Face Hub, or make the folder alone",
    "pull": "fetch an agent that was published so",
    "task": "train on the paper's coordinate tasks",
    "benchmark": "measure layer, environment and training against their peers",
}
"""Every command and what it does; command ``x`` lives in the module ``rl_coordconv.cli.x``."""

PACKAGE = Path(__file__).resolve().parents[1]

USER_ERROR = 2
DIVERGED = 1
INTERRUPTED = 130

_LONGEST = 2000
"""Characters of a message."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the command's name and its arguments; None takes this process's.

    Returns:
        The exit code: 0 done, 1 a training diverged or runs of a sweep failed, 2 a mistake in what
        was asked for, 130 or 143 stopped by a signal.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(f"rl-coordconv {__version__}")
        return 0
    with _warnings_as_notes(), surviving_streams():
        return _answer(arguments)


def _answer(arguments: list[str]) -> int:
    """Run a command and turn what goes wrong in a user's hands into a line."""
    try:
        return _run(arguments[0], arguments[1:])
    except (InputError, UnknownNameError, MissingExtraError) as error:
        return _refuse(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rl_coordconv"):
            raise
        return _refuse(f"{error}; install it with: pip install rl-coordconv")
    except DivergedError as error:
        return _refuse(str(error), DIVERGED)
    except OSError as error:  # the disk is full, a file may not be read, ...
        return _refuse(_describe(error))
    except MemoryError as error:
        return _refuse(str(error) or "there is not enough memory")
    except KeyboardInterrupt:
        return INTERRUPTED


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Show a warning of this library as one line, without its place in the source."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], place: str, *rest: Any) -> None:
            if category is UserWarning and Path(place).is_relative_to(PACKAGE):
                print(f"note: {one_line(str(message))}", file=sys.stderr)
            else:
                show(message, category, place, *rest)

        warnings.showwarning = cast(Any, tell)
        yield


def _describe(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}"


def _refuse(message: str, code: int = USER_ERROR) -> int:
    print(f"error: {one_line(message)}", file=sys.stderr)
    return code


def one_line(message: str) -> str:
    """Return a message as one line that a terminal shows as it is, however odd its values are."""
    text = visible(" ".join(message.split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _run(command: str, arguments: list[str]) -> int:
    if command not in COMMANDS:
        raise unknown_name("command", command, COMMANDS)
    limit_openmp_spinning()
    # One module a command, imported when it is asked for: ``--help`` does not wait for torch.
    module = importlib.import_module(f"rl_coordconv.cli.{command}")
    code: int = module.run(arguments)
    return code


def _help() -> str:
    lines = [f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        ["usage: rl-coordconv COMMAND ...", "", "commands:", *lines, "",
         "rl-coordconv COMMAND --help tells a command's flags."]
    )  # fmt: skip
