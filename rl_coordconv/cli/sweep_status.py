"""``rl-coordconv sweep status``: where the runs of a sweep stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError
from rl_coordconv.cli.arguments import parse

_WIDE = 240


@dataclass(frozen=True)
class StatusArguments:
    """Show where the runs of a sweep stand: at any time, from any machine that sees its files."""

    directory: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = None
    """The sweep's directory, as it was given with --output."""


def run(argv: list[str]) -> int:
    """Parse the flags and show the table."""
    arguments = parse(StatusArguments, argv, command="sweep status")
    if arguments.directory is None:
        raise InputError("the sweep's directory is missing: rl-coordconv sweep status DIR")
    from rl_coordconv.sweeps.directory import SweepDirectory
    from rl_coordconv.sweeps.overview import look
    from rl_coordconv.sweeps.progress import rows_table, show_line

    console, found = PlainConsole(), look(SweepDirectory(arguments.directory))
    if not console.is_terminal:
        console.width = _WIDE  # whole names for those who search in it
    console.print(rows_table(found.rows, height=len(found.rows)))
    show_line(console, found.describe())
    for note in found.notes:
        show_line(console, f"  {note}")
    return 0
