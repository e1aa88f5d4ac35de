"""Initial weights from another run: checked before anything begins, and kept with the new run."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_bytes
from rl_coordconv._util.links import is_there, make_folder
from rl_coordconv._util.reading import read_bytes
from rl_coordconv.agents.portable import DESCRIPTION, WEIGHTS, load_weights, read_checksum
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.runs.config import InitialPolicy
from rl_coordconv.runs.policy import check_saved
from rl_coordconv.training.setup import agent_in_one_env

FOLDER = "initial_policy"
"""Of a run that began with another's weights; holds a copy of them."""


def initial_policy(source: Path) -> InitialPolicy:
    """Say which weights a run's last saved policy has.

    Raises:
        InputError: no run, one without a saved policy, or a damaged one.
    """
    run = RunDirectory(source)
    config = run.config()
    check_saved(run)
    return InitialPolicy(run=config.name, sha256=read_checksum(source))


def check_initial_policy(config: RunConfig, source: Path) -> None:
    """Refuse weights that do not fit a run's policy, before its directory is made.

    Raises:
        InputError: names the weights that differ, and their shapes.
    """
    with agent_in_one_env(config, device="cpu", precision="fp32") as model:
        load_weights(model.policy, source)


def keep_initial_policy(run: RunDirectory, source: Path) -> None:
    """Copy another run's weights into a run that begins with them: that run may be gone later.

    Raises:
        InputError: they are not those of the run's configuration, or cannot be copied.
    """
    folder = run.path / FOLDER
    if is_there(folder / DESCRIPTION):
        return
    try:
        make_folder(folder)
        for name in (WEIGHTS, DESCRIPTION):
            write_bytes(folder / name, read_bytes(source / name))
    except OSError as error:
        raise InputError(f"cannot copy the weights of {source} to {folder}: {error}") from error
    _check_same(run.config(), folder)


def load_initial_policy(run: RunDirectory, model: OnPolicyAlgorithm) -> None:
    """Give a run's fresh agent the weights that it is to begin with, if any.

    The optimiser begins anew.

    Raises:
        InputError: the run's copy is missing, damaged or another one, or does not fit.
    """
    config = run.config()
    if config.initial_policy is not None:
        _check_same(config, run.path / FOLDER)
        load_weights(model.policy, run.path / FOLDER)


def _check_same(config: RunConfig, folder: Path) -> None:
    asked, there = config.initial_policy, read_checksum(folder)
    if asked is None or there != asked.sha256:
        raise InputError(
            f"{folder} holds other weights (sha256 {there[:8]}) than the run is to begin with "
            f"({asked.sha256[:8] if asked else 'none'})"
        )
