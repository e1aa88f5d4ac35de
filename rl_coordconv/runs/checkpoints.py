"""Checkpoints that hold no pickle, are written whole or not at all, and are checked when read.

stable-baselines3 saves into the destination file itself, so that a full disk destroys the previous
save, and its zips run code when loaded. Here a checkpoint is a directory that appears by a rename:
``state.pt`` holds tensors and plain values only and is read with ``weights_only=True``;
``checkpoint.json`` holds its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv.files import read_json, write_json

FORMAT_VERSION = 1
KEPT = 2
"""How many checkpoints stay: the newest, and one in case the newest turns out to be damaged."""


@dataclass(frozen=True)
class Progress:
    """How far a run had come when a checkpoint was written."""

    num_timesteps: int
    training_seconds: float
    resumes: int


def save_checkpoint(directory: Path, model: OnPolicyAlgorithm, progress: Progress) -> Path:
    """Write a checkpoint of a model between two rollouts and drop all but the newest few.

    Args:
        directory: the run's ``checkpoints`` directory.
        model: an SB3 A2C or PPO, or a subclass.
        progress: how far the run has come.

    Returns:
        The checkpoint's directory.
    """
    final = directory / f"step_{progress.num_timesteps:012d}"
    temporary = directory / f".{final.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        torch.save(_state(model), temporary / "state.pt")
        manifest = {
            "format_version": FORMAT_VERSION,
            "num_timesteps": progress.num_timesteps,
            "training_seconds": progress.training_seconds,
            "resumes": progress.resumes,
            "sha256": _sha256(temporary / "state.pt"),
        }
        write_json(temporary / "checkpoint.json", manifest)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _drop_old(directory)
    return final


def load_newest_checkpoint(directory: Path, model: OnPolicyAlgorithm) -> Progress | None:
    """Bring a freshly built model to the newest checkpoint that is whole.

    Returns:
        How far that checkpoint had come, or None where there is no usable one.
    """
    for checkpoint in _newest_first(directory):
        try:
            manifest = _read_manifest(checkpoint)
            state = torch.load(checkpoint / "state.pt", map_location="cpu", weights_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            warnings.warn(f"checkpoint {checkpoint} is damaged ({error}); trying an older one",
                          stacklevel=2)  # fmt: skip
            continue
        _restore(model, state)
        return Progress(
            num_timesteps=manifest["num_timesteps"],
            training_seconds=manifest["training_seconds"],
            resumes=manifest["resumes"],
        )
    return None


def has_checkpoint(directory: Path) -> bool:
    """Tell whether there is any checkpoint, whole or not."""
    return any(_newest_first(directory))


def _state(model: OnPolicyAlgorithm) -> dict[str, Any]:
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "episodes": [_plain_episode(episode) for episode in model.ep_info_buffer or ()],
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        # SB3 shuffles minibatches with NumPy's global generator.
        "numpy_rng": [name, torch.from_numpy(np.array(keys)), position, has_gauss, cached],
    }


def _plain_episode(episode: dict[str, Any]) -> dict[str, float]:
    return {key: float(episode[key]) for key in ("r", "l", "t")}


def _restore(model: OnPolicyAlgorithm, state: dict[str, Any]) -> None:
    model.policy.load_state_dict(state["policy"])
    model.policy.optimizer.load_state_dict(state["optimizer"])
    model.num_timesteps = state["num_timesteps"]
    model._n_updates = state["n_updates"]
    # learn(reset_num_timesteps=False) keeps these buffers where they exist.
    window = model._stats_window_size
    model.ep_info_buffer = deque(state["episodes"], maxlen=window)
    model.ep_success_buffer = deque(maxlen=window)
    torch.set_rng_state(state["torch_rng"])
    if state["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
    name, keys, position, has_gauss, cached = state["numpy_rng"]
    np.random.set_state((name, keys.numpy(), position, has_gauss, cached))


def _read_manifest(checkpoint: Path) -> dict[str, Any]:
    manifest = read_json(checkpoint / "checkpoint.json")
    if manifest["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"format version {manifest['format_version']!r}, this version reads {FORMAT_VERSION}"
        )
    if _sha256(checkpoint / "state.pt") != manifest["sha256"]:
        raise ValueError("state.pt does not match its checksum")
    return manifest


def _newest_first(directory: Path) -> Iterator[Path]:
    return iter(sorted(directory.glob("step_*"), reverse=True))


def _drop_old(directory: Path) -> None:
    for checkpoint in list(_newest_first(directory))[KEPT:]:
        shutil.rmtree(checkpoint, ignore_errors=True)
    for leftover in directory.glob(".step_*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
