"""``rl-coordconv curves``: draw the learning curves of runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.outputs import check_extra, check_file

FORMATS = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class CurvesArguments:
    """Draw the learning curves of runs, one panel a game, and print what each run reached."""

    run_dirs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN_DIR ...")
    ]
    """The runs' directories."""
    output: Path = Path("curves.png")
    """The figure's file: .png, .svg or .pdf. Needs rl-coordconv[report]."""


def run(argv: list[str]) -> int:
    """Parse the flags, draw, and print a Markdown table."""
    arguments = parse(CurvesArguments, argv, command="curves")
    check_file("--output", arguments.output, FORMATS)
    check_extra("matplotlib", "report", "drawing curves")
    from rl_coordconv.reports.curves import draw_curves
    from rl_coordconv.reports.table import divide_readable, runs_table
    from rl_coordconv.runs import RunDirectory

    runs, reasons = divide_readable([RunDirectory(path) for path in arguments.run_dirs])
    table = runs_table(runs)
    draw_curves(runs, arguments.output)
    console = PlainConsole()
    console.print(table)
    for reason in reasons:
        console.print(f"set aside: {reason}")
    console.print(f"\nfigure: {arguments.output}")
    return 0
