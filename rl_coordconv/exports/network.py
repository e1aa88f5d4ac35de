"""A policy as one function of tensors: what it sees in, what it would do and expects out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from rl_coordconv._util.errors import InputError, shown

Observation = Tensor | dict[str, Tensor]

OBSERVATION = "observation"
"""The name of the only input, where observations have no parts with names of their own."""


@dataclass(frozen=True)
class ActionSpec:
    """How actions of one kind of space are computed from the last layer of a policy.

    Attributes:
        kind: of space.
        parameters: names of the outputs that describe the distribution.
        describe: returns these outputs, given the policy and its last layer's output.
        choose: returns the most probable action as SB3's ``predict(deterministic=True)`` does.
    """

    kind: type[spaces.Space]
    parameters: tuple[str, ...]
    describe: Callable[[ActorCriticPolicy, Tensor], tuple[Tensor, ...]]
    choose: Callable[[spaces.Space, Tensor], Tensor]


def _logits(_: ActorCriticPolicy, out: Tensor) -> tuple[Tensor, ...]:
    return (out,)


def _mean_and_std(policy: ActorCriticPolicy, out: Tensor) -> tuple[Tensor, ...]:
    shape = (-1, *_box(policy.action_space).shape)
    std = policy.log_std.exp().expand_as(out)
    return out.reshape(shape), std.reshape(shape)


def _choose_one(_: spaces.Space, out: Tensor) -> Tensor:
    return out.argmax(dim=1)


def _choose_several(space: spaces.Space, out: Tensor) -> Tensor:
    assert isinstance(space, spaces.MultiDiscrete)
    parts = out.split(space.nvec.tolist(), dim=1)
    return torch.stack([part.argmax(dim=1) for part in parts], dim=1)


def _choose_bits(_: spaces.Space, out: Tensor) -> Tensor:
    return (out > 0).long()


def _clip(space: spaces.Space, out: Tensor) -> Tensor:
    box = _box(space)
    low, high = (torch.as_tensor(bound, dtype=out.dtype) for bound in (box.low, box.high))
    return out.reshape(-1, *box.shape).clamp(low, high)


def _box(space: spaces.Space) -> spaces.Box:
    assert isinstance(space, spaces.Box)
    return space


ACTIONS: list[ActionSpec] = [
    ActionSpec(spaces.Discrete, ("logits",), _logits, _choose_one),
    ActionSpec(spaces.MultiDiscrete, ("logits",), _logits, _choose_several),
    ActionSpec(spaces.MultiBinary, ("logits",), _logits, _choose_bits),
    ActionSpec(spaces.Box, ("mean", "std"), _mean_and_std, _clip),
]
"""Every kind of action that can be exported."""


def find_actions(space: spaces.Space) -> ActionSpec:
    """Return how actions of a space are computed.

    Raises:
        InputError: a kind of space that is not known here.
    """
    for spec in ACTIONS:
        if isinstance(space, spec.kind):
            return spec
    kinds = ", ".join(spec.kind.__name__ for spec in ACTIONS)
    raise InputError(f"actions {shown(space)} cannot be exported (allowed: {kinds})")


class ExportedPolicy(nn.Module):
    """A policy whose ``forward`` returns the distribution's parameters, the action and the value.

    Args:
        policy: in evaluation mode; observed images are the environment's own uint8.

    Shape:
        observation: (batch, ...) as in the policy's observation space, or a dictionary of such.
        Outputs: of discrete actions ``logits`` (batch, sum of choices); of a Box ``mean`` and
        ``std`` (batch, ...); ``action`` (batch, ...), int64 where it is discrete; ``value``
        (batch,), the expected discounted return.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.policy = policy
        self._actions = find_actions(policy.action_space)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what ``forward`` returns, in order."""
        return (*self._actions.parameters, "action", "value")

    def forward(self, observation: Observation) -> tuple[Tensor, ...]:
        """Compute all outputs for a batch of observations."""
        policy = self.policy
        features = policy.extract_features(observation)
        if policy.share_features_extractor:
            latent, latent_value = policy.mlp_extractor(features)
        else:
            latent = policy.mlp_extractor.forward_actor(features[0])
            latent_value = policy.mlp_extractor.forward_critic(features[1])
        out = policy.action_net(latent)
        value = policy.value_net(latent_value).flatten()
        action = self._actions.choose(policy.action_space, out)
        return (*self._actions.describe(policy, out), action, value)
