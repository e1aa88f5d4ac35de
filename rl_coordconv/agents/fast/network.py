"""An SB3 actor-critic policy as two functions of images, without a Distribution object in sight."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from rl_coordconv.agents.fast.activations import Activations
from rl_coordconv.agents.fast.bodies import MAX_PIXEL, Body, make_body
from rl_coordconv.agents.fast.structure import Values, is_known

Heads = tuple[Tensor, Tensor]
"""Log-probabilities of all actions, (N, actions), and values, (N, 1)."""
Evaluate = Callable[..., Heads]
"""Takes images, (N, channels, H, W) uint8, and a list that the activations are appended to."""


class FastNetwork:
    """The policy's own modules, computed from uint8 images with the body in a chosen format.

    It holds no weights of its own and is cheap to make: make a new one rather than keep one that
    could miss a change of the policy.

    Args:
        policy: one that `why_not_fast` has nothing against.
        dtype: of the body: float32 or bfloat16 (float64 for tests).
    """

    def __init__(self, policy: ActorCriticPolicy, dtype: torch.dtype) -> None:
        scale = 1 / MAX_PIXEL if policy.normalize_images else 1.0
        self._policy = policy
        self._shared = policy.share_features_extractor
        if self._shared:
            extractors = [policy.features_extractor]
        else:
            extractors = [policy.pi_features_extractor, policy.vf_features_extractor]
        self.bodies: list[Body] = [make_body(part, dtype, scale) for part in extractors]

    @property
    def is_known(self) -> bool:
        """Whether a sample's outcome depends on that sample alone, and a call has no effects."""
        heads = (self._policy.mlp_extractor, self._policy.action_net, self._policy.value_net)
        extractors = (self._policy.pi_features_extractor, self._policy.vf_features_extractor)
        return all(is_known(module) for module in (*heads, *extractors))

    def values_now(self) -> Values:
        """Return the numbers that what `frozen` returns will stand for."""
        copied = [part for body in self.bodies for part in body.copied]
        return Values(self._policy.parameters(), copied)

    @property
    def n_kept(self) -> int:
        """How many activations can be kept and given; 0 if a body cannot do without computing."""
        counts = [body.n_kept for body in self.bodies]
        return sum(counts) if all(counts) else 0

    def __call__(self, images: Tensor, known: Activations | None = None) -> Heads:
        """Return log-probabilities and values, differentiable.

        Args:
            images: (N, channels, H, W) uint8.
            known: the activations that the frozen network of the same weights has kept.
        """
        if known is None:
            return self._heads([body(images) for body in self.bodies])
        left = iter(known)
        parts = [list(islice(left, body.n_kept)) for body in self.bodies]
        return self._heads(
            [body(images, part) for body, part in zip(self.bodies, parts, strict=True)]
        )

    def frozen(self) -> Evaluate:
        """Return the same function for weights that stay as they are, without gradients.

        It appends its activations to the list it is given, if any.
        """
        bodies = [body.frozen() for body in self.bodies]

        @torch.no_grad()
        def evaluate(images: Tensor, kept: Activations | None = None) -> Heads:
            return self._heads([body(images, kept) for body in bodies])

        return evaluate

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
        noise: (N, actions), of the exponential distribution, see `Decider.draw_noise`.

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
