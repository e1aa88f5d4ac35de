"""``rl-coordconv push``: publish a trained agent on the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv._util.errors import InputError
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.outputs import check_extra, check_folder


@dataclass(frozen=True)
class PushArguments:
    """Publish a trained agent on the Hugging Face Hub: its policy, SB3's zip, scores and a model
    card; no other file of the run. Needs rl-coordconv[hub]."""

    run_dir: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_DIR")]
    """The run's directory."""
    repo_id: str
    """Where to: organisation/name. It is made if it is not there."""
    local_dir: Path | None = None
    """Only make the folder that would be published, here; nothing is sent."""
    video: Path | None = None
    """A video of the agent (.mp4), published as replay.mp4."""
    figure: Path | None = None
    """Its learning curve (.png), published as learning_curve.png."""
    private: bool = False
    """Make the repository private, where it is made."""


def run(argv: list[str]) -> int:
    """Parse the flags, publish, and say where the agent is."""
    arguments = parse(PushArguments, argv, command="push")
    if arguments.local_dir is None:
        check_extra("huggingface_hub", "hub", "publishing an agent")
    else:
        check_folder("--local-dir", arguments.local_dir)
    _check_ending("--video", arguments.video, ".mp4")
    _check_ending("--figure", arguments.figure, ".png")
    from rl_coordconv.hub.folder import Extras, collect, write_folder
    from rl_coordconv.runs import RunDirectory

    console = PlainConsole()
    extras = Extras(video=arguments.video, figure=arguments.figure)
    contents = collect(RunDirectory(arguments.run_dir), arguments.repo_id, extras)
    if arguments.local_dir is not None:
        write_folder(contents, arguments.local_dir)
        place = str(arguments.local_dir)
    else:
        from rl_coordconv.hub.transfer import HuggingFace, push

        place = push(HuggingFace(), arguments.repo_id, contents, private=arguments.private)
    for name, content in sorted(contents.items()):
        console.print(f"  {name:<24} {len(content) / 1e6:8.3f} MB")
    console.print(place)
    return 0


def _check_ending(flag: str, path: Path | None, ending: str) -> None:
    if path is not None and path.suffix.lower() != ending:
        raise InputError(f"{flag} {path} has no known ending (allowed: {ending})")
