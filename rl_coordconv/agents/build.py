"""From a preset and an environment to a ready stable-baselines3 agent."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from rl_coordconv.agents.precision import Precision, apply_precision
from rl_coordconv.agents.presets import A2CPreset, PPOPreset
from rl_coordconv.extractors import extractor_policy_kwargs

ALGORITHMS: dict[str, type[OnPolicyAlgorithm]] = {"a2c": A2C, "ppo": PPO}


def build_agent(
    preset: A2CPreset | PPOPreset,
    env: VecEnv,
    *,
    extractor: str = "coordconv",
    extractor_kwargs: dict[str, Any] | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: Precision | None = None,
) -> OnPolicyAlgorithm:
    """Build the agent that a preset describes.

    Args:
        preset: the algorithm and its hyperparameters.
        env: image environments, as many as the preset asks for.
        extractor: one of the extractors' names.
        extractor_kwargs: options of that extractor.
        seed: seeds Python's, NumPy's and torch's generators and the environments.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: the number format of the extractor; None leaves SB3's way untouched.

    Returns:
        An SB3 ``A2C`` or ``PPO``.

    Raises:
        UnknownNameError: an unknown extractor.
        InputError: an option that the extractor does not have.
    """
    policy_kwargs = extractor_policy_kwargs(extractor, **(extractor_kwargs or {}))
    model: OnPolicyAlgorithm = ALGORITHMS[preset.algorithm](
        "CnnPolicy",
        env,
        policy_kwargs=policy_kwargs | preset.optimizer_policy_kwargs(),
        seed=seed,
        device=device,
        **preset.sb3_kwargs(),
    )
    if precision is not None:
        apply_precision(model.policy, precision)
    return model
