"""Acting in a rollout: from images to actions, by the policy as it is at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor

from rl_coordconv.agents.fast.eligibility import why_not_fast
from rl_coordconv.agents.fast.network import RolloutPolicy, sample
from rl_coordconv.agents.fast.structure import ParameterSnapshot, PolicyStructure
from rl_coordconv.agents.fast.threads import Inference

if TYPE_CHECKING:
    from rl_coordconv.agents.fast.activations import RolloutActivations
    from rl_coordconv.agents.on_policy import FastOnPolicyAlgorithm


class PolicyOutput(NamedTuple):
    """Actions, values and log-probabilities for the observations of n environments."""

    actions: Tensor
    """(n,) int64."""
    values: Tensor
    """(n, 1)."""
    log_probs: Tensor
    """(n,)."""


class RolloutActor:
    """Acts for one rollout, by a rollout policy.

    The rollout policy is made once (its weights cast and laid out) and made anew as soon as the
    policy has changed, in its numbers or in what it is made of. Where the fast path cannot compute
    it any more, the policy itself is called, as stable-baselines3 does.

    Args:
        model: whose policy acts.
        has_read_only_callbacks: whether only read-only callbacks run meanwhile; then the
            parameters' version counters are all that is looked at.
    """

    def __init__(self, model: FastOnPolicyAlgorithm, *, has_read_only_callbacks: bool) -> None:
        self._model, self._has_read_only_callbacks = model, has_read_only_callbacks
        self._inference = Inference(model.device)
        self._prepare()
        self.activations = self._model._new_activations(self)
        """What the network computes, if the update can use it; None once the policy changes."""

    def _prepare(self) -> None:
        self.activations = None
        self._policy, self._structure = self._model.policy, PolicyStructure(self._model.policy)
        self._rollout_policy: RolloutPolicy | None = None
        self.is_pure, self.n_cached = False, 0
        self._snapshot = ParameterSnapshot(self._policy.parameters())
        if why_not_fast(self._model) is None:
            network = self._model._network()
            self.is_pure, self.n_cached = network.is_pure, network.n_cached
            self._snapshot = network.parameter_snapshot()
            self._rollout_policy = self._model._rollout_policy()

    def is_current(self, *, closely: bool = True) -> bool:
        """Tell whether the policy is still the one that was prepared.

        Args:
            closely: whether to look for more than version counters tell.
        """
        if self._model.policy is not self._policy:
            return False
        if not closely:
            return self._snapshot.is_current(compare=False)
        return self._structure.is_current() and self._snapshot.is_current()

    def draw_noise(self) -> Tensor:
        """Draw what a step of all environments takes from the generator, (n_envs, actions).

        Of the exponential distribution; the same numbers, in the same order, that
        `torch.multinomial` would draw.
        """
        net: Any = self._policy.action_net
        return net.weight.new_empty(self._model.n_envs, net.out_features).exponential_()

    def take_activations(self) -> RolloutActivations | None:
        """Hand over the cached activations; afterwards there are none.

        The two hold each other. Left together after a rollout, they and their copies of the weights
        would wait for the garbage collector.
        """
        cached, self.activations = self.activations, None
        return cached

    @torch.no_grad()
    def act(
        self, images: Tensor, observations: Tensor, noise: Tensor | None = None
    ) -> PolicyOutput:
        """Choose an action for every environment.

        Args:
            images: (n, channels, H, W) uint8, stored channels-last.
            observations: the same in stable-baselines3's layout.
            noise: (n, actions), a part of `draw_noise`; None draws it.
        """
        with self._inference.threads():
            return self._act(images, observations, noise)

    def _act(self, images: Tensor, observations: Tensor, noise: Tensor | None) -> PolicyOutput:
        if not self.is_current(closely=not self._has_read_only_callbacks):
            self._prepare()
        if self._rollout_policy is None:
            return PolicyOutput(*self._policy(observations))
        if not self.is_pure:
            # Its modules may look at the images' layout, and draw random numbers of their own in
            # its order, before the actions are drawn.
            log_probs, values = self._rollout_policy(observations, None)
            drawn = torch.empty_like(log_probs).exponential_()
            actions, chosen = sample(log_probs, drawn)
            return PolicyOutput(actions, values, chosen)
        return self._act_fast(images, self.draw_noise() if noise is None else noise)

    def _act_fast(self, images: Tensor, noise: Tensor) -> PolicyOutput:
        graphs = self._model._graphs
        if graphs is None:
            return self._act_by(self._rollout_policy, images, noise)
        # Captured with the casts of the weights: copies made for a rollout would not stay in place.
        network = self._model._network()
        baked = (self._structure, self._model.chosen_precision.name)

        def act(images: Tensor, noise: Tensor) -> PolicyOutput:
            return self._act_by(network, images, noise)

        outputs = graphs.call("act", torch.no_grad()(act), (images, noise), baked)
        return PolicyOutput(*(part.clone() for part in outputs))  # the next replay overwrites them

    def _act_by(self, policy: Any, images: Tensor, noise: Tensor) -> PolicyOutput:
        cache = None if self.activations is None else self.activations.new_forward_pass(images)
        log_probs, values = policy(images, cache)
        actions, chosen = sample(log_probs, noise)
        return PolicyOutput(actions, values, chosen)

    @torch.no_grad()
    def predict_values(self, observations: Any) -> Tensor:
        """Return the values of observations, (n, channels, H, W) from the environments: (n, 1)."""
        if not self.is_current(closely=not self._has_read_only_callbacks):
            self._prepare()
        if self._rollout_policy is None or not self.is_pure:
            seen = obs_as_tensor(observations, self._model.device)
            return self._policy.predict_values(seen)
        images = torch.as_tensor(observations).to(self._model.device)
        return self._rollout_policy(images.contiguous(memory_format=torch.channels_last), None)[1]

    @torch.no_grad()
    def terminal_values(self, observations: list[NDArray[np.uint8]]) -> Tensor:
        """Return the values of single observations, (channels, H, W) each: (n,)."""
        if self._rollout_policy is not None and self.is_pure:
            return self.predict_values(np.stack(observations)).flatten()
        # One by one, as stable-baselines3 does: a batch may be something else to this network.
        tensors = [self._policy.obs_to_tensor(one)[0] for one in observations]
        return torch.cat([self._policy.predict_values(one)[0] for one in tensors])
