"""``rl-coordconv pull``: fetch an agent from the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rl_coordconv._util.console import PlainConsole
from rl_coordconv.cli.arguments import parse
from rl_coordconv.cli.outputs import check_extra, check_folder


@dataclass(frozen=True)
class PullArguments:
    """Fetch an agent that `push` has published, as numbers and names that run no code. Needs
    rl-coordconv[hub]."""

    repo_id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ORGANISATION/NAME")]
    """The repository."""
    output: Path | None = None
    """The folder to make; default: the repository's name."""
    revision: str | None = None
    """A branch, tag or commit; default: the newest."""


def run(argv: list[str]) -> int:
    """Parse the flags, fetch, and say how the agent is evaluated."""
    arguments = parse(PullArguments, argv, command="pull")
    check_extra("huggingface_hub", "hub", "fetching an agent")
    from rl_coordconv.hub import transfer
    from rl_coordconv.hub.files import check_repo_id

    check_repo_id(arguments.repo_id)
    folder = arguments.output or Path(arguments.repo_id.rpartition("/")[2])
    check_folder("--output", folder)
    transfer.pull(transfer.HuggingFace(), arguments.repo_id, folder, revision=arguments.revision)
    PlainConsole().print(f"{folder}; let it play: rl-coordconv evaluate {folder}")
    return 0
