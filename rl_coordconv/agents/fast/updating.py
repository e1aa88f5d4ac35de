"""The gradients of an update, captured once in a CUDA graph and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rl_coordconv._util.torch_internals import is_listened_to, multiply_all_
from rl_coordconv.agents.fast.graphs import Graphs
from rl_coordconv.agents.fast.losses import LossWeights
from rl_coordconv.agents.fast.network import FastNetwork
from rl_coordconv.agents.fast.rollouts import Minibatch
from rl_coordconv.agents.fast.structure import PolicyStructure

LossOf = Callable[..., tuple[Tensor, Tensor]]
"""Takes heads, a minibatch, the loss's weights and clip ranges; returns loss and statistics."""


def may_capture(policy: ActorCriticPolicy, network: FastNetwork) -> bool:
    """Tell whether an update does nothing that a CUDA graph would leave out.

    Modules that draw random numbers or keep a state, hooks on parameters, and parameters that learn
    without belonging to the optimiser (whose gradients add up) are for eager code.
    """
    owned = {id(one) for group in policy.optimizer.param_groups for one in group["params"]}
    return network.is_pure and all(
        not one.requires_grad or (id(one) in owned and not is_listened_to(one))
        for one in policy.parameters()
    )


def replay_gradients(
    graphs: Graphs,
    policy: ActorCriticPolicy,
    network: FastNetwork,
    loss_of: LossOf,
    batch: Minibatch,
    weights: LossWeights,
    clip_ranges: Sequence[Tensor],
    max_grad_norm: float,
    baked: Any,
) -> Tensor:
    """Leave the clipped gradients in a policy's parameters, which keep the graph's memory.

    Args:
        graphs: the model's CUDA graphs.
        policy: for which `may_capture` is true.
        network: the policy's.
        loss_of: the loss and its statistics.
        batch: the steps to learn from.
        weights: of the parts of the loss.
        clip_ranges: PPO's, as () tensors.
        max_grad_norm: that of all gradients together.
        baked: constants of `network` and `loss_of` besides the policy's parts.

    Returns:
        The loss's statistics.
    """
    trained = [one for one in policy.parameters() if one.requires_grad]
    coefficients = [weights.entropy, weights.value, max_grad_norm]
    n_fields, n_scalars = len(batch.tensors()), len(coefficients)

    def compute(*tensors: Tensor) -> Any:
        part = Minibatch(*tensors[:n_fields])
        entropy, value, max_norm = tensors[n_fields : n_fields + n_scalars]
        chosen = replace(weights, entropy=entropy, value=value)
        ranges = tensors[n_fields + n_scalars :]
        loss, statistics = loss_of(network(part.images), part, chosen, *ranges)
        found = torch.autograd.grad(loss, trained, allow_unused=True)
        gradients = [_in_memory_format_of(*pair) for pair in zip(trained, found, strict=True)]
        _clip_([one for one in gradients if one is not None], max_norm)
        return statistics, *gradients

    scalars = [torch.full((), float(number), device=policy.device) for number in coefficients]
    fixed = (PolicyStructure(policy), weights.normalize_advantage, baked)
    outputs = graphs.call("gradients", compute, (*batch.tensors(), *scalars, *clip_ranges), fixed)
    policy.optimizer.zero_grad()
    for parameter, gradient in zip(trained, outputs[1:], strict=True):
        parameter.grad = gradient
    return outputs[0].clone()  # the next replay overwrites it


def _in_memory_format_of(parameter: Tensor, gradient: Tensor | None) -> Tensor | None:
    """Return a gradient in its parameter's memory format, as ``backward`` leaves it.

    Fused optimisers pair the numbers of both by their offsets in memory.
    """
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _clip_(gradients: list[Tensor], max_norm: Tensor) -> None:
    """Do what `torch.nn.utils.clip_grad_norm_` does, with a limit that is not read on the host."""
    total = torch.nn.utils.get_total_norm(gradients)
    multiply_all_(gradients, torch.clamp(max_norm / (total + 1e-6), max=1.0))
