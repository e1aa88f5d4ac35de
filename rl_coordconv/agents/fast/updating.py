"""The gradients of an update, recorded once and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rl_coordconv.agents.fast.graphs import Graphs
from rl_coordconv.agents.fast.losses import LossWeights
from rl_coordconv.agents.fast.network import FastNetwork
from rl_coordconv.agents.fast.rollouts import Minibatch
from rl_coordconv.agents.fast.structure import Layout

LossOf = Callable[..., tuple[Tensor, Tensor]]
"""Takes heads, a minibatch, the loss's weights and other limits; returns loss and statistics."""


def may_record(policy: ActorCriticPolicy, network: FastNetwork) -> bool:
    """Tell whether an update does nothing that a recording would leave out.

    Modules that draw random numbers or keep a state, hooks on parameters, and parameters that learn
    without belonging to the optimiser (whose gradients add up) are for eager code.
    """
    owned = {id(one) for group in policy.optimizer.param_groups for one in group["params"]}
    return network.is_known and all(
        not one.requires_grad or (id(one) in owned and not _is_listened_to(one))
        for one in policy.parameters()
    )


def _is_listened_to(parameter: Tensor) -> bool:
    after = getattr(parameter, "_post_accumulate_grad_hooks", None)
    return bool(parameter._backward_hooks or after)


def replay_gradients(
    graphs: Graphs,
    policy: ActorCriticPolicy,
    network: FastNetwork,
    loss_of: LossOf,
    batch: Minibatch,
    weights: LossWeights,
    limits: Sequence[Tensor],
    max_grad_norm: float,
    baked: Any,
) -> Tensor:
    """Leave the clipped gradients in a policy's parameters, which keep the recording's memory.

    Args:
        graphs: the model's recordings.
        policy: for which `may_record` is true.
        network: the policy's.
        loss_of: the loss and its statistics.
        batch: the steps to learn from.
        weights: of the parts of the loss.
        limits: what else the loss is given.
        max_grad_norm: that of all gradients together.
        baked: what `network` and `loss_of` hold for good besides the policy's parts.

    Returns:
        The loss's statistics.
    """
    trained = [one for one in policy.parameters() if one.requires_grad]
    numbers = [weights.entropy, weights.value, max_grad_norm]
    n_fields, n_numbers = len(batch.tensors()), len(numbers)

    def compute(*tensors: Tensor) -> Any:
        part = Minibatch(*tensors[:n_fields])
        entropy, value, most = tensors[n_fields : n_fields + n_numbers]
        chosen = replace(weights, entropy=entropy, value=value)
        rest = tensors[n_fields + n_numbers :]
        loss, statistics = loss_of(network(part.images), part, chosen, *rest)
        found = torch.autograd.grad(loss, trained, allow_unused=True)
        gradients = [_laid_out_as(*pair) for pair in zip(trained, found, strict=True)]
        _clip_([one for one in gradients if one is not None], most)
        return statistics, *gradients

    places = [torch.full((), float(number), device=policy.device) for number in numbers]
    fixed = (Layout(policy), weights.normalize_advantage, baked)
    outputs = graphs.call("gradients", compute, (*batch.tensors(), *places, *limits), fixed)
    policy.optimizer.zero_grad()
    for parameter, gradient in zip(trained, outputs[1:], strict=True):
        parameter.grad = gradient
    return outputs[0].clone()  # the next replay overwrites it


def _laid_out_as(parameter: Tensor, gradient: Tensor | None) -> Tensor | None:
    """Return a gradient in its parameter's memory format, as ``backward`` leaves it.

    Fused optimisers pair the numbers of both by their places in memory.
    """
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


def _clip_(gradients: list[Tensor], most: Tensor) -> None:
    """Do what `torch.nn.utils.clip_grad_norm_` does, with a limit that is not read on the host."""
    total = torch.nn.utils.get_total_norm(gradients)
    torch._foreach_mul_(gradients, torch.clamp(most / (total + 1e-6), max=1.0))
