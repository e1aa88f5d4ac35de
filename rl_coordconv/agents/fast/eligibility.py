"""What the fast path can compute; everything else takes stable-baselines3's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from torch import nn

from rl_coordconv._util.sb3_internals import why_not_known
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.fast.structure import is_hooked

DEVICES = ("cpu", "cuda")
"""Kinds of device whose memory and kernels the fast path knows."""

_OF_POLICY = (
    *("__call__", "_call_impl", "forward", "evaluate_actions", "extract_features"),
    *("predict_values", "get_distribution", "_get_action_dist_from_latent", "obs_to_tensor"),
)
"""Methods of a policy that the fast path computes itself; who overrides one wants it called."""
_OF_BUFFER = ("add", "get", "reset", "compute_returns_and_advantage", "_get_samples", "to_torch")
_OF_DISTRIBUTION = (
    *("proba_distribution", "log_prob", "entropy", "sample", "mode", "get_actions"),
    *("actions_from_params", "log_prob_from_params"),
)


def _methods(cls: type, names: tuple[str, ...]) -> dict[str, Any]:
    # A private one may be gone one day: then nobody can replace it.
    return {name: getattr(cls, name, None) for name in names}


# As they were when this file was imported, to notice who patches a class.
_POLICY_METHODS = _methods(ActorCriticPolicy, _OF_POLICY)
_BUFFER_METHODS = _methods(DeviceRolloutBuffer, _OF_BUFFER)
_DISTRIBUTION_METHODS = _methods(CategoricalDistribution, _OF_DISTRIBUTION)


def why_not_fast(model: OnPolicyAlgorithm) -> str | None:
    """Say why a model has to take stable-baselines3's own path.

    Args:
        model: an A2C or PPO whose set-up is complete.

    Returns:
        The reason in a few words, or None where nothing stands against the fast path.
    """
    policy = model.policy
    return (
        why_not_known()
        or _wrong_device(model.device)
        or _wrong_spaces(model.observation_space, model.action_space)
        or _wrong_policy(policy, model.use_sde)
        or _wrong_heads(policy)
        or _wrong_surroundings(model)
    )


def _wrong_device(device: torch.device) -> str | None:
    if device.type not in DEVICES:
        return f"the device is {device}, not one of {', '.join(DEVICES)}"
    if torch.is_autocast_enabled(device.type):
        return "autocast is on"
    return None


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
    own = _own_method(policy, _POLICY_METHODS)
    if own is not None:
        return f"{type(policy).__name__} has its own {own}()"
    if is_hooked(policy):
        return "the policy or a module in it has hooks"
    extractors = (policy.pi_features_extractor, policy.vf_features_extractor)
    if policy.share_features_extractor and any(
        one is not policy.features_extractor for one in extractors
    ):
        return "the extractors of policy and value differ although they are said to be shared"
    return None


def _wrong_heads(policy: ActorCriticPolicy) -> str | None:
    distribution = policy.action_dist
    if type(distribution) is not CategoricalDistribution:
        return f"the action distribution is {type(distribution).__name__}"
    own = _own_method(distribution, _DISTRIBUTION_METHODS)
    return None if own is None else f"the action distribution has its own {own}()"


def _wrong_surroundings(model: OnPolicyAlgorithm) -> str | None:
    if model.rollout_buffer_class not in (None, RolloutBuffer) or model.rollout_buffer_kwargs:
        return f"the rollout buffer is a {model.rollout_buffer_class}"
    buffer = model.rollout_buffer
    if type(buffer) not in (RolloutBuffer, DeviceRolloutBuffer):
        return f"the rollout buffer is a {type(buffer).__name__}"
    if type(buffer) is DeviceRolloutBuffer:
        own = _own_method(buffer, _BUFFER_METHODS)
        if own is not None:
            return f"the rollout buffer has its own {own}()"
    if model.get_vec_normalize_env() is not None:
        return "VecNormalize changes observations or rewards"
    return None


def _own_method(owner: object, originals: dict[str, Any]) -> str | None:
    """Return the first method that an object, its class or a patch of either replaces."""
    for name, function in originals.items():
        if getattr(type(owner), name, None) is not function or name in vars(owner):
            return name
    return None
