"""The folder that is published: made of a run's files, one by one, by their names."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_bytes
from rl_coordconv._util.links import is_there, make_folder
from rl_coordconv._util.reading import read_bytes
from rl_coordconv.agents.portable import read_checksum
from rl_coordconv.hub.card import write_card
from rl_coordconv.hub.files import (
    CARD,
    EVALUATION,
    FIGURE,
    POLICY,
    RESULTS,
    VIDEO,
    check_repo_id,
    model_name,
)
from rl_coordconv.runs import Evaluation, RunDirectory
from rl_coordconv.runs.policy import check_saved

MAX_BYTES = 2**31
"""Of a file."""

Contents = dict[str, bytes]


@dataclass(frozen=True)
class Extras:
    """Files that are published under the RL Zoo's names besides the run's own."""

    video: Path | None = None
    figure: Path | None = None


def collect(run: RunDirectory, repo_id: str, extras: Extras = Extras()) -> Contents:
    """Return the content of every file that is published, by its name.

    Args:
        run: a run with a saved policy.
        repo_id: where it is published, for the card.
        extras: further files.

    Raises:
        InputError: the run has no saved policy, a file of it is damaged, or the repository's name
            is none.
    """
    check_repo_id(repo_id)
    config = run.config()
    check_saved(run)
    read_checksum(run.path)  # refuses weights that are not those that were saved
    evaluation = Evaluation.load(run.evaluation_file)
    sources = {name: run.path / name for name in POLICY}
    sources[model_name(config)] = run.model_file
    if evaluation is not None:
        sources[EVALUATION] = run.evaluation_file
    contents = {
        name: read_bytes(path, MAX_BYTES)
        for name, path in sources.items()
        if name in POLICY or is_there(path)
    }
    if model_name(config) in contents:
        _check_zip(run.model_file, contents[model_name(config)])
    for name, path in ((VIDEO, extras.video), (FIGURE, extras.figure)):
        if path is not None:
            contents[name] = read_bytes(path, MAX_BYTES)
    if evaluation is not None:
        contents[RESULTS] = (json.dumps(_results(evaluation), indent=2) + "\n").encode()
    contents[CARD] = write_card(run, repo_id, evaluation, contents).encode()
    return contents


def _check_zip(path: Path, content: bytes) -> None:
    """Refuse a zip that is not whole; what it holds is not looked into."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wrong = archive.testzip()
    except Exception as error:  # whatever a damaged zip ends in
        raise InputError(f"{path} is damaged: {error}") from error
    if not content.startswith(b"PK"):  # zipfile reads past what stands before a zip
        raise InputError(f"{path} is damaged: it does not begin as a zip does")
    if wrong is not None:
        raise InputError(f"{path} is damaged: {wrong} in it is not what it was")


def write_folder(contents: Contents, folder: Path) -> None:
    """Write what would be published into a folder of its own.

    Raises:
        InputError: the folder holds something else, or a link has its name.
    """
    make_folder(folder)
    others = sorted({path.name for path in folder.iterdir()} - set(contents))
    if others:
        raise InputError(
            f"{folder} holds {others[0]!r}, which is no part of it: name a folder of its own"
        )
    for name, content in contents.items():
        write_bytes(folder / name, content)


def _results(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "mean_reward": evaluation.mean,
        "std_reward": evaluation.std,
        "is_deterministic": evaluation.deterministic,
        "n_eval_episodes": len(evaluation.returns),
    }
