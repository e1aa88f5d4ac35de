"""Checkpoints that hold no pickle, are written whole or not at all, and are checked when read.

stable-baselines3 saves into the destination file itself, so that a full disk destroys the previous
save, and its zips run code when loaded. Here a checkpoint is a directory that appears by a rename:
``state.pt`` holds tensors and plain values only and is read with ``weights_only=True``;
``checkpoint.json`` holds its SHA-256. One that is there never changes: another one of the same step
gets a name of its own, so that a process that dies while it replaces a checkpoint loses none.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import naming, replace, write_json
from rl_coordconv._util.reading import read_mapping
from rl_coordconv._util.validation import validate
from rl_coordconv.runs.status import Count
from rl_coordconv.runs.training_state import (
    OtherAgentError,
    Resumption,
    State,
    check_training_state,
    put_generators,
    put_logged,
    put_training_state,
    read_training_state,
)

FORMAT_VERSION = 1
KEPT = 2
"""How many checkpoints stay: the newest, and one in case the newest turns out to be damaged."""


_NAME = re.compile(r"step_(\d+)(?:\.(\d+))?")
"""A step, and a number where there was one of that step already."""


@dataclass(frozen=True)
class Progress:
    """How far a run had come when a checkpoint was written."""

    num_timesteps: int
    training_seconds: float
    resumes: int


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint to whose weights, counters and environments a model was brought.

    Attributes:
        progress: how far the run had come.
        resumption: whether the training goes on exactly, or why not.
        state: all that it held.
    """

    progress: Progress
    resumption: Resumption
    state: State

    def put_generators(self) -> None:
        """Bring the process's random generators to where they were; last of all."""
        put_generators(self.state)

    def put_logged(self, model: OnPolicyAlgorithm) -> None:
        """Give the model's logger what had been recorded and not been written yet."""
        put_logged(model, self.state)


def save_checkpoint(directory: Path, model: OnPolicyAlgorithm, progress: Progress) -> Path:
    """Write a checkpoint of a model between two rollouts and drop all but the newest few.

    Args:
        directory: the run's ``checkpoints`` directory.
        model: an SB3 A2C or PPO, or a subclass.
        progress: how far the run has come.

    Returns:
        The checkpoint's directory.
    """
    final = directory / _free_name(directory, progress.num_timesteps)
    temporary = directory / f".{final.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        _write_state(temporary / "state.pt", read_training_state(model))
        manifest = _Manifest(
            num_timesteps=progress.num_timesteps,
            training_seconds=progress.training_seconds,
            resumes=progress.resumes,
            sha256=_sha256(temporary / "state.pt"),
        )
        write_json(temporary / "checkpoint.json", manifest.model_dump(mode="json"))
        replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _drop_old(directory)
    return final


def load_newest_checkpoint(directory: Path, model: OnPolicyAlgorithm) -> Checkpoint | None:
    """Bring a freshly built model to the newest checkpoint that is whole.

    Nothing of a checkpoint is used before all of it was found to be right. The process's random
    generators and the logger are brought to it by the result's methods, once everything is built.

    Returns:
        That checkpoint, or None where there is no usable one.

    Raises:
        InputError: the checkpoint is whole and belongs to another model.
    """
    for checkpoint in _newest_first(directory):
        try:
            manifest = _read_manifest(checkpoint)
            state = torch.load(checkpoint / "state.pt", map_location="cpu", weights_only=True)
            check_training_state(model, state, manifest.num_timesteps)
        except OtherAgentError as error:
            raise InputError(f"{checkpoint} does not fit this run's agent: {error}") from error
        except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            warnings.warn(f"checkpoint {checkpoint} is damaged ({error}); trying an older one",
                          stacklevel=2)  # fmt: skip
            continue
        progress = Progress(manifest.num_timesteps, manifest.training_seconds, manifest.resumes)
        return Checkpoint(progress, put_training_state(model, state), state)
    return None


def has_checkpoint(directory: Path) -> bool:
    """Tell whether there is any checkpoint, whole or not."""
    return bool(_newest_first(directory))


def newest_step(directory: Path) -> int | None:
    """Return the agent step of the newest checkpoint, whole or not; None where there is none."""
    found = _newest_first(directory)
    return _order(found[0])[0] if found else None


class _Manifest(BaseModel):
    """What ``checkpoint.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format_version: Literal[1] = 1
    num_timesteps: Count
    training_seconds: Annotated[float, Field(ge=0)]
    resumes: Count
    sha256: str


_MANIFEST: TypeAdapter[_Manifest] = TypeAdapter(_Manifest)


def _read_manifest(checkpoint: Path) -> _Manifest:
    path = checkpoint / "checkpoint.json"
    data = read_mapping(path)
    if data.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"format version {data.get('format_version')!r}, this version reads {FORMAT_VERSION}"
        )
    manifest = validate(_MANIFEST, data, where=str(path), keys=_Manifest.model_fields)
    if _sha256(checkpoint / "state.pt") != manifest.sha256:
        raise InputError("state.pt does not match its checksum")
    return manifest


def _write_state(path: Path, state: State) -> None:
    """Write a state; a full disk is an OSError then, of which torch makes a RuntimeError."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with naming(path):
        path.write_bytes(buffer.getbuffer())


def _free_name(directory: Path, step: int) -> str:
    taken = [number for there, number in map(_order, _newest_first(directory)) if there == step]
    name = f"step_{step:012d}"
    return f"{name}.{max(taken) + 1}" if taken else name


def _order(checkpoint: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(checkpoint.name)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, 0)


def _newest_first(directory: Path) -> list[Path]:
    found = [path for path in directory.glob("step_*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_order, reverse=True)


def _drop_old(directory: Path) -> None:
    for checkpoint in _newest_first(directory)[KEPT:]:
        shutil.rmtree(checkpoint, ignore_errors=True)
    for leftover in directory.glob(".step_*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
