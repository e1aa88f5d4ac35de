"""An SB3 actor-critic policy as two functions of images, without a Distribution object in sight."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rl_coordconv.agents.fast.activations import Activations
from rl_coordconv.agents.fast.structure import ParameterSnapshot, is_pure
from rl_coordconv.agents.fast.torsos import MAX_PIXEL, Torso, make_torso

Heads = tuple[Tensor, Tensor]
"""Log-probabilities of all actions, (N, actions), and values, (N, 1)."""
RolloutPolicy = Callable[..., Heads]
"""Takes images, (N, channels, H, W) uint8, and a cache that the activations are appended to."""


class FastNetwork:
    """The policy's own modules, computed from uint8 images with the torso in a chosen precision.

    It holds no weights of its own and is cheap to make: make a new one rather than keep one that
    could miss a change of the policy.

    Args:
        policy: one that `why_not_fast` has nothing against.
        dtype: of the torso: float32 or bfloat16 (float64 for tests).
    """

    def __init__(self, policy: ActorCriticPolicy, dtype: torch.dtype) -> None:
        scale = 1 / MAX_PIXEL if policy.normalize_images else 1.0
        self._policy = policy
        self._shared = policy.share_features_extractor
        if self._shared:
            extractors = [policy.features_extractor]
        else:
            extractors = [policy.pi_features_extractor, policy.vf_features_extractor]
        self.torsos: list[Torso] = [make_torso(part, dtype, scale) for part in extractors]

    @property
    def is_pure(self) -> bool:
        """Whether a sample's output depends on that sample alone and calls have no effects."""
        heads = (self._policy.mlp_extractor, self._policy.action_net, self._policy.value_net)
        extractors = (self._policy.pi_features_extractor, self._policy.vf_features_extractor)
        return all(is_pure(module) for module in (*heads, *extractors))

    def parameter_snapshot(self) -> ParameterSnapshot:
        """Return the numbers that a rollout policy made now will stand for."""
        copied = [part for torso in self.torsos for part in torso.copied]
        return ParameterSnapshot(self._policy.parameters(), copied)

    @property
    def n_cached(self) -> int:
        """How many activations can be cached and given; 0 if a torso always computes."""
        counts = [torso.n_cached for torso in self.torsos]
        return sum(counts) if all(counts) else 0

    def __call__(self, images: Tensor, cached: Activations | None = None) -> Heads:
        """Return log-probabilities and values, differentiable.

        Args:
            images: (N, channels, H, W) uint8.
            cached: the activations that the rollout policy of the same weights has cached.
        """
        if cached is None:
            return self._heads([torso(images) for torso in self.torsos])
        left = iter(cached)
        parts = [list(islice(left, torso.n_cached)) for torso in self.torsos]
        return self._heads(
            [torso(images, part) for torso, part in zip(self.torsos, parts, strict=True)]
        )

    def rollout_policy(self) -> RolloutPolicy:
        """Return the same function for the weights of one rollout, without gradients.

        It appends its activations to the cache that it is given, if any.
        """
        torsos = [torso.for_rollout() for torso in self.torsos]

        @torch.no_grad()
        def policy(images: Tensor, cache: Activations | None = None) -> Heads:
            return self._heads([torso(images, cache) for torso in torsos])

        return policy

    def _heads(self, features: list[Tensor]) -> Heads:
        policy = self._policy
        if self._shared:
            latent_pi, latent_vf = policy.mlp_extractor(features[0])
        else:
            latent_pi = policy.mlp_extractor.forward_actor(features[0])
            latent_vf = policy.mlp_extractor.forward_critic(features[1])
        return policy.action_net(latent_pi).log_softmax(-1), policy.value_net(latent_vf)


def sample(log_probs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw an action from each row's distribution.

    The same race between exponential variables that `torch.multinomial` runs, so that on the CPU
    the same seed draws the same actions as stable-baselines3 does; written out, because
    `torch.multinomial` makes a GPU wait.

    Args:
        log_probs: (N, actions).
        noise: (N, actions), of the exponential distribution, see `RolloutActor.draw_noise`.

    Returns:
        The actions, (N,) int64, and their log-probabilities, (N,).
    """
    probabilities = log_probs.softmax(-1)
    actions = (probabilities / noise).argmax(-1)
    return actions, log_prob_of(log_probs, actions)


def log_prob_of(log_probs: Tensor, actions: Tensor) -> Tensor:
    """Pick each row's log-probability of its action, (N,)."""
    return log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def entropy_of(log_probs: Tensor) -> Tensor:
    """Return each row's entropy in nats, (N,)."""
    return -(log_probs.exp() * log_probs).sum(-1)
