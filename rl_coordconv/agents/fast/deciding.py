"""The decisions of a rollout: from images to actions, by the policy as it is at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor

from rl_coordconv.agents.fast.eligibility import why_not_fast
from rl_coordconv.agents.fast.network import Evaluate, sample
from rl_coordconv.agents.fast.structure import Layout, Values
from rl_coordconv.agents.fast.threads import Inference

if TYPE_CHECKING:
    from rl_coordconv.agents.fast.activations import RolloutActivations
    from rl_coordconv.agents.on_policy import FastOnPolicyAlgorithm


class Decision(NamedTuple):
    """What the policy says to the observations of n environments."""

    actions: Tensor
    """(n,) int64."""
    values: Tensor
    """(n, 1)."""
    log_probs: Tensor
    """(n,)."""


class Decider:
    """Makes the decisions of one rollout.

    The network is prepared once (its weights cast and laid out) and prepared anew as soon as the
    policy has changed, in its numbers or in what it is made of. Where the fast path cannot compute
    it any more, the policy itself is called, as stable-baselines3 does.

    Args:
        model: whose policy decides.
        is_watched: whether nothing but callbacks that only watch runs meanwhile; then the
            parameters' version counters are all that is looked at.
    """

    def __init__(self, model: FastOnPolicyAlgorithm, *, is_watched: bool) -> None:
        self._model, self._is_watched = model, is_watched
        self._inference = Inference(model.device)
        self._prepare()
        self.activations = self._model._new_activations(self)
        """What the network computes, if the update can use it; None once the policy changes."""

    def _prepare(self) -> None:
        self.activations = None
        self._policy, self._layout = self._model.policy, Layout(self._model.policy)
        self._evaluate: Evaluate | None = None
        self.is_known, self.n_kept = False, 0
        self._values = Values(self._policy.parameters())
        if why_not_fast(self._model) is None:
            network = self._model._network()
            self.is_known, self.n_kept = network.is_known, network.n_kept
            self._values = network.values_now()
            self._evaluate = self._model._frozen_network()

    def is_current(self, *, closely: bool = True) -> bool:
        """Tell whether the policy is still the one that was prepared.

        Args:
            closely: whether to look for more than version counters tell.
        """
        if self._model.policy is not self._policy:
            return False
        if not closely:
            return self._values.are_current(compare=False)
        return self._layout.is_current() and self._values.are_current()

    def draw_noise(self) -> Tensor:
        """Draw what a step of all environments takes from the generator, (n_envs, actions).

        Of the exponential distribution; the same numbers, in the same order, that
        `torch.multinomial` would draw.
        """
        net: Any = self._policy.action_net
        return net.weight.new_empty(self._model.n_envs, net.out_features).exponential_()

    def take_activations(self) -> RolloutActivations | None:
        """Hand over what was kept; afterwards nothing is.

        The two hold each other. Left together after a rollout, they and their copies of the weights
        would wait for the garbage collector.
        """
        kept, self.activations = self.activations, None
        return kept

    @torch.no_grad()
    def decide(self, images: Tensor, observations: Tensor, noise: Tensor | None = None) -> Decision:
        """Decide.

        Args:
            images: (n, channels, H, W) uint8, stored channels-last.
            observations: the same in stable-baselines3's layout.
            noise: (n, actions), a part of `draw_noise`; None draws it.
        """
        with self._inference.threads():
            return self._decide(images, observations, noise)

    def _decide(self, images: Tensor, observations: Tensor, noise: Tensor | None) -> Decision:
        if not self.is_current(closely=not self._is_watched):
            self._prepare()
        if self._evaluate is None:
            return Decision(*self._policy(observations))
        if not self.is_known:
            # Its modules may look at the images' layout, and draw random numbers of their own in
            # its order, before the actions are drawn.
            log_probs, values = self._evaluate(observations, None)
            drawn = torch.empty_like(log_probs).exponential_()
            actions, chosen = sample(log_probs, drawn)
            return Decision(actions, values, chosen)
        return self._decide_known(images, self.draw_noise() if noise is None else noise)

    def _decide_known(self, images: Tensor, noise: Tensor) -> Decision:
        graphs = self._model._graphs
        if graphs is None:
            return self._decide_by(self._evaluate, images, noise)
        # Recorded with the casts of the weights, because frozen copies would not stay in place.
        network = self._model._network()
        baked = (self._layout, self._model.chosen_precision.name)

        def decide(images: Tensor, noise: Tensor) -> Decision:
            return self._decide_by(network, images, noise)

        outputs = graphs.call("decide", torch.no_grad()(decide), (images, noise), baked)
        return Decision(*(part.clone() for part in outputs))  # the next replay overwrites them

    def _decide_by(self, evaluate: Any, images: Tensor, noise: Tensor) -> Decision:
        kept = None if self.activations is None else self.activations.new_decision(images)
        log_probs, values = evaluate(images, kept)
        actions, chosen = sample(log_probs, noise)
        return Decision(actions, values, chosen)

    @torch.no_grad()
    def values_of(self, observations: Any) -> Tensor:
        """Return the values of observations, (n, channels, H, W) from the environments: (n, 1)."""
        if not self.is_current(closely=not self._is_watched):
            self._prepare()
        if self._evaluate is None or not self.is_known:
            seen = obs_as_tensor(observations, self._model.device)
            return self._policy.predict_values(seen)
        images = torch.as_tensor(observations).to(self._model.device)
        return self._evaluate(images.contiguous(memory_format=torch.channels_last), None)[1]

    @torch.no_grad()
    def values_at_ends(self, observations: list[NDArray[np.uint8]]) -> Tensor:
        """Return the values of single observations, (channels, H, W) each: (n,)."""
        if self._evaluate is not None and self.is_known:
            return self.values_of(np.stack(observations)).flatten()
        # One by one, as stable-baselines3 does: a batch may be something else to this network.
        tensors = [self._policy.obs_to_tensor(one)[0] for one in observations]
        return torch.cat([self._policy.predict_values(one)[0] for one in tensors])
