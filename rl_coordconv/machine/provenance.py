"""What something ran on: versions, commit, hardware and the numbers of threads chosen."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rl_coordconv.machine.hardware import available_cores, cpu_model, openmp_settings
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
        "cuda": describe_cuda(device) if device.type == "cuda" else None,
        "torch_threads": torch.get_num_threads(),
        "env_threads": env_threads,
        "openmp": openmp_settings(),
    }


def describe_cuda(device: torch.device) -> dict[str, Any]:
    """Describe what computes on a GPU, and in which arithmetic where the precision says fp32.

    Args:
        device: a CUDA device of this process.
    """
    return {
        "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
        "runtime": torch.version.cuda,
        "driver": _driver_version(),
        "cudnn": torch.backends.cudnn.version(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "tf32_convolutions": _setting(lambda: torch.backends.cudnn.allow_tf32),
        "tf32_matrix_products": _setting(lambda: torch.backends.cuda.matmul.allow_tf32),
        "float32_matmul_precision": _setting(torch.get_float32_matmul_precision),
    }


def _setting(read: Callable[[], Any]) -> Any:
    """Read a global setting of torch; some cannot be read once their newer form has been set."""
    try:
        return read()
    except RuntimeError as error:
        return f"unknown: {str(error).splitlines()[0]}"


def _driver_version() -> str | None:
    """Return the NVIDIA driver's version; None where nobody tells it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    words = _output_of(command)
    return words.split()[0] if words else None


def source_commit() -> str | None:
    """Return the commit of the clone the package runs from, ``-dirty`` if changed; else None."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    return _output_of(command)


def _output_of(command: list[str]) -> str | None:
    """Run a program of the machine; None where it is missing, fails or says nothing."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
