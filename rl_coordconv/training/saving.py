"""Saving a model as stable-baselines3 does, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm

from rl_coordconv._util.files import replace
from rl_coordconv.agents.portable import check_portable
from rl_coordconv.runs import RunDirectory


def try_saving(model: BaseAlgorithm, run: RunDirectory) -> None:
    """Fail now rather than after the training, where the model cannot be saved.

    Raises:
        InputError: the portable format does not know a part of it.
        OSError: nothing can be written there.
    """
    check_portable(model)
    trial = run.path / ".trial.zip"
    try:
        save_model(model, trial)
    finally:
        trial.unlink(missing_ok=True)


def save_model(model: BaseAlgorithm, path: Path) -> None:
    """Write an SB3 zip in one step; SB3 itself would destroy the old one before writing the new."""
    temporary = path.with_name(f".{path.stem}.tmp.zip")
    try:
        temporary.unlink(missing_ok=True)  # SB3 would write through a link
        model.save(temporary)
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
