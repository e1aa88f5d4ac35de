"""Agent factory: from a preset and an environment to a ready stable-baselines3 agent."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.agents.a2c import A2C
from rl_coordconv.agents.algorithms import ALGORITHMS
from rl_coordconv.agents.ppo import PPO
from rl_coordconv.agents.precision import PrecisionRequest
from rl_coordconv.agents.presets import Preset
from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.extractors.pairing import initialize_paired_


def build_agent(
    preset: Preset,
    env: VecEnv,
    *,
    extractor: str = "coordconv",
    extractor_kwargs: dict[str, Any] | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: PrecisionRequest = "auto",
    cuda_graphs: bool = False,
    paired_seed: int | None = None,
) -> A2C | PPO:
    """Build the agent that a preset describes.

    Args:
        preset: the algorithm and its hyperparameters.
        env: image environments, as many as the preset asks for.
        extractor: one of the extractors' names.
        extractor_kwargs: options of that extractor, over the preset's.
        seed: seeds Python's, NumPy's and torch's generators and the environments.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: the precision of the extractor.
        cuda_graphs: whether a GPU replays the heavy parts as CUDA graphs.
        paired_seed: initialises the weights so that for one number all extractors agree in every
            weight they share, and draw the same random numbers afterwards.

    Returns:
        An `A2C` or a `PPO`.

    Raises:
        UnknownNameError: an unknown extractor.
        InputError: an option that the extractor does not have.
    """
    options = preset.extractor_options(extractor, extractor_kwargs or {})
    policy, policy_kwargs = _policy(env.observation_space, extractor, options)
    cls: Any = ALGORITHMS[preset.algorithm].cls
    model: A2C | PPO = cls(
        policy,
        env,
        policy_kwargs=policy_kwargs | preset.optimizer_policy_kwargs(),
        seed=seed,
        device=device,
        precision=precision,
        cuda_graphs=cuda_graphs,
        **preset.sb3_kwargs(),
    )
    if paired_seed is not None:
        initialize_paired_(model.policy, paired_seed)
        # Building the extractors has drawn different amounts.
        set_random_seed(paired_seed, using_cuda=model.device.type == "cuda")
    return model


def _policy(
    observations: spaces.Space, extractor: str, options: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the policy's name and arguments; among several observations an extractor's images."""
    policy = "MultiInputPolicy" if isinstance(observations, spaces.Dict) else "CnnPolicy"
    return policy, extractor_policy_kwargs(extractor, observation_space=observations, **options)
