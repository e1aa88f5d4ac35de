"""What something ran on: versions, commit, hardware and the numbers of threads chosen."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from rl_coordconv.hardware import available_cores, cpu_model, openmp_settings
from rl_coordconv.version import __version__

_PACKAGES = (
    "torch",
    "numpy",
    "stable-baselines3",
    "gymnasium",
    "ale-py",
    "tensorboard",
    "safetensors",
)


def describe_environment(device: torch.device, env_threads: int | None = None) -> dict[str, Any]:
    """Describe the software and the machine of this process.

    Args:
        device: where the network runs.
        env_threads: threads that step the environments; None where there are none.
    """
    return {
        "rl_coordconv": __version__,
        "commit": source_commit(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cpu_cores": available_cores(),
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "torch_threads": torch.get_num_threads(),
        "env_threads": env_threads,
        "openmp": openmp_settings(),
    }


def source_commit() -> str | None:
    """Return the commit of the clone the package runs from, ``-dirty`` if changed; else None."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
