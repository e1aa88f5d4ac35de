"""What the fast path can compute; everything else takes stable-baselines3's own."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from torch import nn

from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer

_OWN_COMPUTATIONS = (
    "forward",
    "evaluate_actions",
    "extract_features",
    "predict_values",
    "get_distribution",
    "_get_action_dist_from_latent",
)
"""Methods of a policy that the fast path computes itself; who overrides one wants it called."""


def why_not_fast(model: OnPolicyAlgorithm) -> str | None:
    """Say why a model has to take stable-baselines3's own path.

    Args:
        model: an A2C or PPO whose set-up is complete.

    Returns:
        The reason in a few words, or None where nothing stands against the fast path.
    """
    policy = model.policy
    return (
        _wrong_spaces(model.observation_space, model.action_space)
        or _wrong_policy(policy, model.use_sde)
        or _wrong_heads(policy)
        or _wrong_surroundings(model)
    )


def _wrong_spaces(observations: spaces.Space, actions: spaces.Space) -> str | None:
    if not isinstance(observations, spaces.Box) or len(observations.shape) != 3:
        return f"observations are {type(observations).__name__}, not images"
    if observations.dtype != np.uint8 or not is_image_space(observations):
        return f"images are {observations.dtype}, not uint8 in [0, 255]"
    if not isinstance(actions, spaces.Discrete):
        return f"actions are {type(actions).__name__}, not Discrete"
    return None


def _wrong_policy(policy: nn.Module, use_sde: bool) -> str | None:
    if not isinstance(policy, ActorCriticPolicy):
        return f"the policy is a {type(policy).__name__}, not an ActorCriticPolicy"
    if use_sde:
        return "state-dependent exploration is on"
    for name in _OWN_COMPUTATIONS:
        is_own = getattr(type(policy), name) is not getattr(ActorCriticPolicy, name)
        if is_own or name in vars(policy):
            return f"{type(policy).__name__} has its own {name}()"
    return None


def _wrong_heads(policy: ActorCriticPolicy) -> str | None:
    if type(policy.action_dist) is not CategoricalDistribution:
        return f"the action distribution is {type(policy.action_dist).__name__}"
    if policy._forward_hooks or policy._forward_pre_hooks:
        return "the policy has forward hooks"
    return None


def _wrong_surroundings(model: OnPolicyAlgorithm) -> str | None:
    if model.rollout_buffer_class not in (None, RolloutBuffer) or model.rollout_buffer_kwargs:
        return f"the rollout buffer is a {model.rollout_buffer_class}"
    if type(model.rollout_buffer) not in (RolloutBuffer, DeviceRolloutBuffer):
        return f"the rollout buffer is a {type(model.rollout_buffer).__name__}"
    if model.get_vec_normalize_env() is not None:
        return "VecNormalize changes observations or rewards"
    return None
