"""The environments and threads that a training on this machine gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.sizes import check_fits
from rl_coordconv.envs import make_vec_env, training
from rl_coordconv.envs.making import observation_shape
from rl_coordconv.machine.devices import resolve_device
from rl_coordconv.machine.hardware import available_cores, check_threads
from rl_coordconv.runs import RunConfig
from rl_coordconv.runs.config import check_rollout


def set_threads(threads: int | None) -> int:
    """Set torch's threads and return how many the emulator may have.

    Args:
        threads: None takes the cores this process may use, or fewer where torch was told so
            (``OMP_NUM_THREADS``).

    Raises:
        InputError: fewer than one, or more than make sense.
    """
    if threads is None:
        threads = min(available_cores(), torch.get_num_threads())
    check_threads(threads, "threads")
    torch.set_num_threads(threads)
    return threads


def check_trainable(config: RunConfig) -> None:
    """Refuse a run that this machine cannot train, before anything is built.

    Raises:
        InputError: as `check_rollout` and `check_fits`, or the device is missing.
    """
    check_rollout(config.preset)
    check_fits(
        config.preset,
        *config.network,
        observation_shape(config.environment.spaces(config.protocol)[0]),
        resolve_device(config.device),
    )


def describe_environment(config: RunConfig) -> str:
    """Say what a run's agent sees and does, and what has been done to it."""
    observations, actions = config.environment.spaces(config.protocol)
    env = config.env
    done = []
    if env is not None:
        done += ["what it renders"] if env.pixels else []
        done += [f"through {one.path}" for one in env.env_wrapper]
        done += ["grey"] if env.grayscale else []
        done += [f"resized to {env.resize[0]} x {env.resize[1]}"] if env.resize else []
        done += ["rewards normalised"] if env.normalize and env.normalize.norm_reward else []
        done += [f"{env.frame_stack} steps stacked"] if env.frame_stack > 1 else []
    changes = f" ({', '.join(done)})" if done else ""
    return f"{config.game} observes {_words(observations)}{changes}; actions: {actions}"


def _words(space: spaces.Space) -> str:
    if isinstance(space, spaces.Dict):
        return ", ".join(f"{key}: {_words(part)}" for key, part in space.spaces.items())
    if space.shape is not None and len(space.shape) == 3:
        channels, height, width = space.shape
        return f"images of {height} x {width} pixels in {channels} channels, {space.dtype}"
    return str(space)


def left_out_options(config: RunConfig) -> str | None:
    """Say which of its preset's options a run's extractor does not have; None if it has them."""
    left_out = config.preset.options_left_out(config.network[0])
    if not left_out:
        return None
    options = " and ".join(left_out)
    return (
        f"{config.extractor} has no option {options}, which {config.agent} gives to every "
        "extractor that does: beside those it differs in that, too"
    )


def make_training_env(config: RunConfig, device: torch.device, threads: int) -> VecEnv:
    """Build a run's environments, see `rl_coordconv.envs.training.make_training_env`."""
    env = training.make_training_env(
        config.environment,
        config.preset.n_envs,
        protocol=config.protocol,
        num_threads=threads,
        beside_gpu=device.type == "cuda",
    )
    normalize = config.env.normalize if config.env is not None else None
    if normalize is None or not normalize.norm_reward:
        return env
    return VecNormalize(env, norm_obs=False, norm_reward=True, gamma=config.preset.gamma)


@contextmanager
def agent_in_one_env(config: RunConfig, **changes: Any) -> Iterator[A2C | PPO]:
    """Build a run's agent beside a single sub-environment, to look at it rather than to train it.

    Args:
        config: the run.
        **changes: arguments of `build_agent` over the run's.
    """
    extractor, options = config.network
    env = make_vec_env(
        config.game, 1, protocol=config.protocol, presentation=config.env, num_threads=1
    )
    arguments: dict[str, Any] = {
        "extractor": extractor,
        "extractor_kwargs": options,
        "seed": config.seed,
        "device": str(resolve_device(config.device)),
        "paired_seed": config.seed if config.initialization == "paired" else None,
    }
    try:
        yield build_agent(config.preset.with_one_env(), env, **(arguments | changes))
    finally:
        env.close()


def env_threads(env: VecEnv) -> int:
    """Return how many threads step environments at the same time."""
    return max(env.get_attr("num_threads")) if env.has_attr("num_threads") else 1
