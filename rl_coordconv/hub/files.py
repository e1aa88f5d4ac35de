"""The files of an agent on the Hub, and nothing else: the RL Zoo's names where it has one."""

from __future__ import annotations

import re

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv.runs import RunConfig

CARD = "README.md"
RESULTS = "results.json"
VIDEO = "replay.mp4"
FIGURE = "learning_curve.png"
POLICY = ("config.yaml", "policy.json", "policy.safetensors")
"""What an agent is loaded from; named as in a run's directory."""
EVALUATION = "evaluation.json"
PULLED = (*POLICY, EVALUATION, CARD)
"""What is downloaded: never the zip, which is a pickle."""

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def model_name(config: RunConfig) -> str:
    """Return the name of SB3's zip, as the RL Zoo has it: ``ppo-Pong.zip``."""
    env = config.game.rpartition(":")[2].replace("/", "-")
    return f"{config.preset.algorithm}-{env}.zip"


def check_repo_id(repo_id: str) -> None:
    """Refuse what is no name of a repository.

    Raises:
        InputError: it has not the form ``organisation/name``.
    """
    if not _REPO.fullmatch(repo_id):
        raise InputError(f"{shown(repo_id)} is no repository: it has the form organisation/name")
