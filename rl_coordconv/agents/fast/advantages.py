"""Generalised advantage estimation, on the device."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def estimate_advantages(
    values: Tensor,
    rewards: Tensor,
    next_non_terminal: Tensor,
    last_values: Tensor,
    *,
    gamma: float,
    decay: float,
) -> tuple[Tensor, Tensor]:
    """Estimate advantages and lambda-returns.

    Args:
        values: (steps, n_envs).
        rewards: (steps, n_envs).
        next_non_terminal: (steps, n_envs), 1 where the next step is of the same episode, else 0.
        last_values: (n_envs,), of the observations after the last step.
        gamma: discount.
        decay: gamma times lambda.

    Returns:
        Advantages and returns, (steps, n_envs) each.

    Source:
        Schulman et al. 2016 (arXiv 1506.02438); the operations and their order are SB3's.
    """
    next_values = torch.cat([values[1:], last_values.unsqueeze(0)])
    deltas = rewards + gamma * next_values * next_non_terminal - values
    decays = decay * next_non_terminal
    advantages = torch.empty_like(values)
    advantage = torch.zeros_like(last_values)
    for step in reversed(range(len(values))):
        advantage = deltas[step] + decays[step] * advantage
        advantages[step] = advantage
    return advantages, advantages + values
