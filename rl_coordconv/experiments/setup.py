"""The environments and threads that a training on this machine gets."""

from __future__ import annotations

import torch
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.envs import training
from rl_coordconv.errors import InputError
from rl_coordconv.hardware import available_cores
from rl_coordconv.runs import RunConfig


def set_threads(threads: int | None) -> int:
    """Set torch's threads and return how many the emulator may have.

    Args:
        threads: None takes the cores this process may use, or fewer where torch was told so
            (``OMP_NUM_THREADS``).

    Raises:
        InputError: fewer than one.
    """
    if threads is None:
        threads = min(available_cores(), torch.get_num_threads())
    if threads < 1:
        raise InputError(f"threads {threads} is not at least 1")
    torch.set_num_threads(threads)
    return threads


def make_training_env(config: RunConfig, device: torch.device, threads: int) -> VecEnv:
    """Build a run's environments, see `rl_coordconv.envs.training.make_training_env`."""
    return training.make_training_env(
        config.game,
        config.preset.n_envs,
        protocol=config.protocol,
        num_threads=threads,
        beside_gpu=device.type == "cuda",
    )


def env_threads(env: VecEnv) -> int:
    """Return how many threads step environments at the same time."""
    return max(env.get_attr("num_threads")) if env.has_attr("num_threads") else 1
