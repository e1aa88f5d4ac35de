"""``rl-coordconv curves``: draw the learning curves of runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class CurvesArguments:
    """Draw the learning curves of runs, one panel a game, and print what each run reached."""

    run_dirs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The runs' directories."""
    output: Path = Path("curves.png")
    """The figure's file: .png, .svg or .pdf. Needs rl-coordconv[report]."""


def run(argv: list[str]) -> int:
    """Parse the flags, draw, and print a Markdown table."""
    arguments = tyro.cli(CurvesArguments, args=argv, prog="curves")
    from rl_coordconv.reports.curves import draw_curves
    from rl_coordconv.reports.table import runs_table
    from rl_coordconv.runs import RunDirectory

    runs = [RunDirectory(path) for path in arguments.run_dirs]
    draw_curves(runs, arguments.output)
    print(runs_table(runs))
    print(f"\nfigure: {arguments.output}")
    return 0
