"""To the Hub and back: exactly the files that are named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_bytes
from rl_coordconv._util.links import make_folder
from rl_coordconv._util.reading import read_bytes
from rl_coordconv.agents.description import read_description
from rl_coordconv.agents.portable import read_checksum
from rl_coordconv.hub.files import POLICY, PULLED, check_repo_id
from rl_coordconv.hub.folder import MAX_BYTES, Contents
from rl_coordconv.runs import RunDirectory, RunState, Status


class HubError(InputError):
    """The Hub refused, or could not be reached."""


class HubApi(Protocol):
    """What is asked of a hub."""

    def upload(self, repo_id: str, contents: Contents, *, private: bool) -> str:
        """Make the repository if need be, put the files there in one commit, return its address."""

    def names(self, repo_id: str, revision: str | None) -> list[str]:
        """Return the names of a repository's files."""

    def download(self, repo_id: str, name: str, revision: str | None, folder: Path) -> Path:
        """Fetch one file and return where it lies."""


class HuggingFace:
    """The Hugging Face Hub, with the login that its own tools keep."""

    def __init__(self) -> None:
        from huggingface_hub import HfApi

        self._api: Any = HfApi()

    def upload(self, repo_id: str, contents: Contents, *, private: bool) -> str:
        """See `HubApi.upload`."""
        from huggingface_hub import CommitOperationAdd

        self._api.create_repo(repo_id, private=private, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
        message = "Agent trained with rl-coordconv"
        commit = self._api.create_commit(repo_id, operations, commit_message=message)
        return str(getattr(commit, "commit_url", commit))

    def names(self, repo_id: str, revision: str | None) -> list[str]:
        """See `HubApi.names`."""
        return list(self._api.list_repo_files(repo_id, revision=revision))

    def download(self, repo_id: str, name: str, revision: str | None, folder: Path) -> Path:
        """See `HubApi.download`."""
        place = self._api.hf_hub_download(repo_id, name, revision=revision, local_dir=folder)
        return Path(os.path.realpath(place))


def push(api: HubApi, repo_id: str, contents: Contents, *, private: bool) -> str:
    """Publish an agent.

    Args:
        api: the hub.
        repo_id: ``organisation/name``.
        contents: from `collect`; nothing else is uploaded.
        private: whether a repository that is made is private.

    Returns:
        Where it is.

    Raises:
        HubError: the hub refused, or could not be reached.
    """
    with _named(repo_id):
        return api.upload(repo_id, contents, private=private)


def pull(api: HubApi, repo_id: str, folder: Path, *, revision: str | None = None) -> RunDirectory:
    """Fetch an agent into a directory that `evaluate` takes.

    Of the repository's files only `PULLED` are fetched, and what they claim is checked.

    Args:
        api: the hub.
        repo_id: ``organisation/name``.
        folder: does not exist yet, or is empty.
        revision: a branch, tag or commit; None takes the newest.

    Raises:
        InputError: the folder is not empty, the repository holds no agent of this library, or a
            file is damaged.
        HubError: the hub refused, or could not be reached.
    """
    check_repo_id(repo_id)
    make_folder(folder)
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: name a new folder with --output")
    with _named(repo_id):
        there = api.names(repo_id, revision)
    if missing := [name for name in POLICY if name not in there]:
        raise InputError(
            f"{repo_id} holds no {missing[0]}: it was not published by rl-coordconv (a zip of "
            "stable-baselines3 alone is not fetched: loading it runs code)"
        )
    with tempfile.TemporaryDirectory() as place:
        for name in (one for one in PULLED if one in there):
            with _named(repo_id):
                path = api.download(repo_id, name, revision, Path(place))
            write_bytes(folder / name, read_bytes(path, MAX_BYTES))
    run = RunDirectory(folder)
    _accept(run)
    return run


def _accept(run: RunDirectory) -> None:
    config = run.config()
    read_checksum(run.path)
    steps, total = read_description(run.policy_file).num_timesteps, config.total_timesteps
    state = RunState.DONE if steps >= total else RunState.INTERRUPTED
    Status(state=state, num_timesteps=steps, total_timesteps=total).save(run.status_file)


@contextmanager
def _named(repo_id: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the client of a service raises
        first = str(error).strip().partition("\n")[0]
        raise HubError(f"{repo_id}: {type(error).__name__}: {first}") from error
