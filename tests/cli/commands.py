"""The command line in processes of its own, in a folder with packages of a user's own."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from rl_coordconv._util.presets import preset_path

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments):
    return [sys.executable, "-m", "rl_coordconv", *map(str, arguments)]


def environment(place):
    """The variables of a process that finds the library, ``place`` and what is on the path now."""
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = os.pathsep.join([str(place), str(ROOT), *filter(None, inherited)])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def run(place, *arguments, timeout=200):
    return subprocess.run(command(*arguments), cwd=place, env=environment(place),
                          capture_output=True, text=True, timeout=timeout, check=False)  # fmt: skip


def write_small_preset(place):
    """Write ``small.yaml``, PPO with rollouts of 64 steps, into a folder."""
    preset = yaml.safe_load(preset_path("agents", "agent", "ppo").read_text())
    preset |= {"n_envs": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 1}
    (place / "small.yaml").write_text(yaml.safe_dump(preset))
