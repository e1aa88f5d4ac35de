"""``rl-coordconv track``: upload finished runs to a tracker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError
from rl_coordconv._util.text import as_reason
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.tracking import DEFAULT_PROJECT, read_place


@dataclass(frozen=True)
class TrackArguments:
    """Upload finished runs to a tracker from what lies in their directories, for runs that were
    trained without internet. Given again it sends what is new."""

    directories: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SWEEP_OR_RUN ...")
    ]
    """Sweeps, directories of runs, or single runs."""
    to: str
    """wandb, trackio or mlflow. Needs the extra of that name."""
    wandb_project_name: str = DEFAULT_PROJECT
    """The project, of whichever tracker (MLflow: the experiment)."""
    wandb_entity: str | None = None
    """The team or user."""
    wandb_group: str | None = None
    """A group of runs."""
    wandb_tags: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="TAG ...", aliases=("-tags",))
    ] = ()
    """Words to find the runs by."""


def run(argv: list[str]) -> int:
    """Parse the flags, upload, and say what was sent."""
    arguments = parse(TrackArguments, argv, command="track")
    place = read_place(arguments.to, arguments, argv)
    assert place is not None
    from rl_coordconv.reports.finding import find_runs, linked_runs, nothing_found
    from rl_coordconv.runs import RunDirectory
    from rl_coordconv.trackers.uploading import UploadError, upload

    console = PlainConsole()
    if not arguments.directories:
        raise InputError("no directory was given: name a sweep or a run")
    paths = find_runs(arguments.directories)
    aside = [f"{one.path}: {one.reason}" for one in linked_runs(arguments.directories)]
    failed = []
    if not (paths or aside):
        raise nothing_found(arguments.directories)
    for path in paths:
        try:
            rows = upload(RunDirectory(path), place)
        except InputError as error:
            aside.append(as_reason(str(error)))
        except UploadError as error:
            failed.append(f"{path}: {as_reason(str(error))}")
        else:
            console.print(f"{path}: {f'{rows:,} rows sent' if rows else 'nothing new'}")
    for reason in aside:
        console.print(f"set aside: {reason}")
    for reason in failed:
        console.print(f"failed: {reason}")
    return 1 if failed else 0
