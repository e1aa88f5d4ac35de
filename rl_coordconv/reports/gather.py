"""From directories to a comparison: read every run, then compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rl_coordconv._util.errors import InputError, shown, unknown_name
from rl_coordconv.reports.comparison import compare
from rl_coordconv.reports.finding import find_runs, linked_runs, nothing_found
from rl_coordconv.reports.imports import import_runs
from rl_coordconv.reports.outcomes import Comparison, Options
from rl_coordconv.reports.planned import read_plan
from rl_coordconv.reports.results import Unreadable, load_runs


def parse_imports(values: Sequence[str]) -> dict[str, Path]:
    """Read ``NAME=DIR`` values.

    Raises:
        InputError: a value has another form, or a name comes twice.
    """
    imports: dict[str, Path] = {}
    for value in values:
        name, equals, directory = value.partition("=")
        if not (name.strip() and equals and directory):
            raise InputError(
                f"--import {shown(value)} is not NAME=DIR, for example zoo=rl-zoo/logs"
            )
        if name in imports:
            raise InputError(f"--import {shown(name)} is given twice; one name is one arm")
        imports[name] = Path(directory)
    return imports


def gather(
    directories: Sequence[Path],
    imports: Mapping[str, Path],
    options: Options,
    *,
    baseline_must_exist: bool = False,
) -> Comparison:
    """Read the runs of all directories and compare them.

    Args:
        directories: as `find_runs` takes them.
        imports: directories of other programs' runs, by the arms' names.
        options: how.
        baseline_must_exist: whether a baseline that no run has, nor is planned to have, is refused
            rather than warned of.

    Raises:
        InputError: a directory is missing, no run was found and none is planned, an import has
            an arm's name, or the baseline is no arm.
    """
    if not directories and not imports:
        raise InputError("no directory was given: name a sweep, or runs to --import")
    runs, unreadable = load_runs(find_runs(directories))
    unreadable += linked_runs(directories)
    plans = [read_plan(directory) for directory in directories]
    unreadable += [plan.fault for plan in plans if plan.fault is not None]
    planned = dict.fromkeys(run for plan in plans for run in plan.runs)
    arms, agents = {run.arm for run in runs}, {run.agent for run in runs}
    for name, directory in imports.items():
        if name in arms:
            raise InputError(f"--import {name!r} has the name of an arm that is there already")
        found, broken = import_runs(name, directory, agents)
        runs += found
        unreadable += broken
    if not runs and unreadable:
        raise _nothing_readable(unreadable)
    if not (runs or planned):
        raise nothing_found(directories)
    arms = {run.arm for run in runs} | {one.arm for one in planned}
    if baseline_must_exist and options.baseline not in arms:
        raise unknown_name("baseline", options.baseline, arms)
    return compare(runs, options, unreadable=unreadable, planned=planned)


def _nothing_readable(unreadable: Sequence[Unreadable]) -> InputError:
    first, *others = unreadable
    more = f"; and {len(others)} more" if others else ""
    return InputError(f"no run could be read: {first.path}: {first.reason}{more}")
