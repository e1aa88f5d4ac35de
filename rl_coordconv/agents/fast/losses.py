"""The losses of PPO and A2C as stable-baselines3 computes them, on tensors, without waiting."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rl_coordconv.agents.fast.network import Heads, entropy_of, log_prob_of
from rl_coordconv.agents.fast.rollouts import Minibatch


@dataclass(frozen=True)
class LossWeights:
    """What the parts of the loss are weighed with."""

    entropy: float | Tensor
    value: float | Tensor
    normalize_advantage: bool


PPO_STATISTICS = (
    "policy_gradient_loss",
    "clip_fraction",
    "value_loss",
    "entropy_loss",
    "approx_kl",
    "loss",
)
"""What each entry of `ppo_loss`'s second value is, under SB3's names."""

A2C_STATISTICS = ("policy_loss", "value_loss", "entropy_loss", "loss")
"""What each entry of `a2c_loss`'s second value is, under SB3's names."""


def ppo_loss(
    heads: Heads,
    batch: Minibatch,
    weights: LossWeights,
    clip_range: Tensor,
    clip_range_vf: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss and, detached, (6,) what `PPO_STATISTICS` names; the ranges are () tensors.

    Source:
        Schulman et al. 2017, equations 7 and 9; stable-baselines3 2.9.2, ppo/ppo.py.
    """
    log_probs, values = heads
    log_ratio = log_prob_of(log_probs, batch.actions) - batch.old_log_probs
    ratio = log_ratio.exp()
    # One advantage alone cannot be normalised: its deviation from itself is zero.
    normalize = weights.normalize_advantage and len(batch.advantages) > 1
    advantages = _normalize(batch.advantages) if normalize else batch.advantages
    clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    predicted = values.flatten()
    if clip_range_vf is not None:
        change = torch.clamp(predicted - batch.old_values, -clip_range_vf, clip_range_vf)
        predicted = batch.old_values + change
    value_loss = functional.mse_loss(predicted, batch.returns)
    entropy_loss = -entropy_of(log_probs).mean()
    loss = policy_loss + weights.entropy * entropy_loss + weights.value * value_loss
    with torch.no_grad():
        clip_fraction = ((ratio - 1).abs() > clip_range).float().mean()
        approx_kl = ((ratio - 1) - log_ratio).mean()
        parts = [policy_loss, clip_fraction, value_loss, entropy_loss, approx_kl, loss]
        return loss, torch.stack([part.detach() for part in parts])


def a2c_loss(heads: Heads, batch: Minibatch, weights: LossWeights) -> tuple[Tensor, Tensor]:
    """Return the loss and, detached, (4,) what `A2C_STATISTICS` names.

    Source:
        Mnih et al. 2016; stable-baselines3 2.9.2, a2c/a2c.py.
    """
    log_probs, values = heads
    advantages = batch.advantages
    if weights.normalize_advantage:
        advantages = _normalize(advantages)
    policy_loss = -(advantages * log_prob_of(log_probs, batch.actions)).mean()
    value_loss = functional.mse_loss(values.flatten(), batch.returns)
    entropy_loss = -entropy_of(log_probs).mean()
    loss = policy_loss + weights.entropy * entropy_loss + weights.value * value_loss
    parts = [policy_loss, value_loss, entropy_loss, loss]
    return loss, torch.stack([part.detach() for part in parts])


def _normalize(advantages: Tensor) -> Tensor:
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
