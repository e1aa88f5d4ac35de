"""``rl-coordconv compare``: turn runs into a report with verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.outputs import check_folder, check_reports

if TYPE_CHECKING:
    from rl_coordconv.reports.outcomes import Comparison
    from rl_coordconv.reports.render import Written


@dataclass(frozen=True)
class CompareArguments:
    """Compare extractors over games and seeds, and write an offline report; needs [report].

    Works while the sweep is still running: unfinished runs are named and count in no verdict.
    """

    dirs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[DIR ...]")] = ()
    """Sweeps (with runs/), directories of run directories, or single runs; with --import alone
    there need not be any."""
    output: Path | None = None
    """Where the report goes; default: the first directory."""
    baseline: str | None = None
    """The arm that the others are compared with; default: cnn."""
    margin: float = 0.1
    """Two arms count as similar where they differ by less than this fraction of the baseline's gain
    over a random agent."""
    confidence: float = 0.95
    """Confidence level of every interval."""
    seed: int = 0
    """Seed of the bootstrap that the intervals come from."""
    resamples: int = 2000
    """Bootstrap resamples."""
    select_seeds: str | None = None
    """Seeds (0-1, or 0,2) that each arm's hyperparameters are chosen on, where a sweep tried
    several; the verdicts are then of the other seeds alone. Default: every setting for itself."""
    bounds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ENV=LOW:HIGH ...")] = ()
    """Scores that count as 0 and 1 where several environments are aggregated, for those whose
    random and human scores nobody has published, for example my_package:MyEnv-v0=0:20."""
    imports: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(name="import", metavar="NAME=DIR"),
    ] = ()
    """Also compare runs of plain SB3 or the RL Zoo below DIR, as an arm NAME; repeatable.

    Read are monitor files or, where there are none, TensorBoard's rollout/ep_rew_mean. Steps of
    monitor files are cumulative episode lengths, divided by 4 for NoFrameskip environments."""


def run(argv: list[str]) -> int:
    """Parse the flags, compare, write the report and print its headline."""
    arguments = parse(CompareArguments, argv, command="compare")
    from rl_coordconv._util.errors import InputError
    from rl_coordconv.reports.bounds import parse_bounds
    from rl_coordconv.reports.choosing import parse_seeds
    from rl_coordconv.reports.gather import gather, parse_imports
    from rl_coordconv.reports.outcomes import DEFAULT_BASELINE, Options
    from rl_coordconv.reports.render import write_report

    options = Options(
        baseline=arguments.baseline or DEFAULT_BASELINE,
        margin=arguments.margin,
        confidence=arguments.confidence,
        seed=arguments.seed,
        resamples=arguments.resamples,
        select_seeds=parse_seeds(arguments.select_seeds) if arguments.select_seeds else (),
    )
    options = replace(options, bounds=parse_bounds(arguments.bounds))
    imports = parse_imports(arguments.imports)
    if imports and not arguments.dirs and arguments.output is None:
        raise InputError("--output is needed where only imported runs are compared")
    places = [*arguments.dirs, *imports.values()]
    if not places:
        raise InputError("no directory was given: name a sweep, or runs to --import")
    output = arguments.output or arguments.dirs[0]
    check_folder("--output", output)
    check_reports()
    must_exist = arguments.baseline is not None
    comparison = gather(arguments.dirs, imports, options, baseline_must_exist=must_exist)
    files = write_report(
        comparison,
        output,
        source=", ".join(map(str, places)),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    _tell(comparison, files, PlainConsole())
    return 0


def _tell(comparison: Comparison, files: Written, console: PlainConsole) -> None:
    for tally, answer in zip(comparison.tallies, files.answers, strict=True):
        console.print(f"{tally.sentence}\n  {answer}")
    for choice in comparison.selection.choices if comparison.selection else ():
        console.print(choice.sentence)
    for warning in comparison.warnings:
        console.print(f"note: {warning}")
    for one in comparison.unreadable:
        console.print(f"set aside: {one.path}: {one.reason}")
    if comparison.left_out:
        count = len(comparison.left_out)
        console.print(f"runs that count in no verdict: {count}; the report names them")
    console.print(f"\nreport: {files.html}\n        {files.markdown}\n        {files.csv}")
    console.print(f"        {files.figures}/")
