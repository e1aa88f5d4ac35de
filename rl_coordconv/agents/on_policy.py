"""What the fast A2C and PPO have in common: collecting rollouts, and the way back to SB3's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rl_coordconv.agents.fast.activations import Activations, RolloutActivations
from rl_coordconv.agents.fast.collecting import Collector, Decide
from rl_coordconv.agents.fast.eligibility import why_not_fast
from rl_coordconv.agents.fast.graphs import Graphs
from rl_coordconv.agents.fast.losses import LossWeights
from rl_coordconv.agents.fast.memory import keep_freed_memory
from rl_coordconv.agents.fast.network import Evaluate, FastNetwork, sample
from rl_coordconv.agents.fast.optimizers import step
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer, Minibatch
from rl_coordconv.agents.precision import (
    Precision,
    PrecisionRequest,
    check_request,
    choose_precision,
)

LossOf = Callable[..., tuple[Tensor, Tensor]]


class FastOnPolicyAlgorithm(OnPolicyAlgorithm):
    """Mixed in before SB3's A2C or PPO: the same algorithm, computed faster.

    Whatever the fast path cannot compute, `why_not_fast` tells, goes stable-baselines3's own way.
    """

    normalize_advantage: bool

    def __init__(
        self,
        *args: Any,
        precision: PrecisionRequest = "auto",
        cuda_graphs: bool = False,
        **kwargs: Any,
    ) -> None:
        self.precision: PrecisionRequest = precision
        """The number format that was asked for."""
        self.cuda_graphs = cuda_graphs
        """Whether the policy step, advantages and gradients are replayed as CUDA graphs."""
        self._chosen_precision: Precision | None = None
        self._graphs: Graphs | None = None
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        check_request(self.precision, self.device)
        self._chosen_precision = None
        self._graphs = Graphs(self.policy, self.device) if self.cuda_graphs else None
        if why_not_fast(self) is None:
            self.rollout_buffer = self._make_buffer()
            if self.device.type == "cpu":
                keep_freed_memory()

    def _make_buffer(self) -> DeviceRolloutBuffer:
        return DeviceRolloutBuffer(
            self.n_steps,
            self.observation_space,
            self.action_space,
            device=self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
        )

    def _excluded_save_params(self) -> list[str]:
        # What is left loads in plain stable-baselines3.
        return [*super()._excluded_save_params(), "_chosen_precision", "_graphs", "cuda_graphs"]

    @property
    def slow_reason(self) -> str | None:
        """Why this model goes stable-baselines3's own way, in a few words; None if it does not."""
        reason = why_not_fast(self)
        if reason is None and type(self.rollout_buffer) is not DeviceRolloutBuffer:
            return "the rollout buffer is stable-baselines3's own"
        return reason

    @property
    def chosen_precision(self) -> Precision:
        """The number format in use, and why; decided when it is first needed.

        Raises:
            InputError: bf16 was asked for and is not right on this machine.
        """
        if self._chosen_precision is None:
            reason = self.slow_reason
            if reason is None:
                self._chosen_precision = choose_precision(self.precision, self.policy)
            else:
                words = f"stable-baselines3's own path, because {reason}"
                self._chosen_precision = Precision("fp32", words)
            if self.verbose >= 1:
                print(f"Computing in {self.chosen_precision.name}: {self.chosen_precision.reason}")
        return self._chosen_precision

    def _network(self) -> FastNetwork:
        dtype = self.chosen_precision.dtype
        if next(self.policy.parameters()).dtype is torch.float64:
            dtype = torch.float64
        return FastNetwork(self.policy, dtype)

    def _frozen_network(self) -> Evaluate:
        return self._network().frozen()

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Play, and fill the buffer; arguments, callbacks and result are stable-baselines3's.

        Raises:
            ValueError: the network's values became NaN or infinite.
        """
        if self.slow_reason is not None or not isinstance(rollout_buffer, DeviceRolloutBuffer):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        assert self._last_obs is not None, "No previous observation was provided"
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        evaluate = self._frozen_network()
        rollout_buffer.activations = self._new_activations()
        decide = self._make_decide(evaluate, rollout_buffer.activations)
        collector = Collector(self, env, rollout_buffer, callback, evaluate, decide)
        if not collector.collect(n_rollout_steps):
            return False
        assert self._last_episode_starts is not None
        last_values = collector.values_of(self._last_obs)
        rollout_buffer.compute_returns_and_advantage(
            last_values, self._last_episode_starts, self._graphs
        )
        self._check_finite(rollout_buffer)
        callback.on_rollout_end()
        return True

    def _new_activations(self) -> RolloutActivations | None:
        """Return where to keep the rollout's activations, if the update can use them."""
        return None

    def _make_decide(self, evaluate: Evaluate, activations: RolloutActivations | None) -> Decide:
        @torch.no_grad()
        def decide(images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            kept = None if activations is None else activations.new_decision()
            log_probs, values = evaluate(images, kept)
            actions, chosen = sample(log_probs, noise)
            return actions, values, chosen

        graphs = self._graphs
        if graphs is None:
            return decide
        # Recorded with the casts of the weights, because frozen copies would not stay in place.
        evaluate = self._network()
        return lambda images, noise: graphs.call("decide", decide, images, noise)  # type: ignore[return-value]

    @staticmethod
    def _check_finite(buffer: DeviceRolloutBuffer) -> None:
        # Where SB3 builds a distribution it checks for NaN at every step; here once a rollout,
        # before anything is learnt from it.
        if not buffer.is_finite():
            raise ValueError(
                "the network's values or log-probabilities became NaN or infinite: the training "
                "has diverged"
            )

    def _loss_weights(self) -> LossWeights:
        return LossWeights(self.ent_coef, self.vf_coef, self.normalize_advantage)

    def _compute_gradients(
        self,
        loss_of: LossOf,
        batch: Minibatch,
        *limits: Tensor,
        known: Activations | None = None,
    ) -> Tensor:
        """Leave the clipped gradients in the parameters; return the loss's statistics.

        Args:
            loss_of: the loss and its statistics for heads, minibatch and limits.
            batch: the steps to learn from.
            *limits: what else changes from update to update.
            known: the batch's activations, if the same weights have computed them already.
        """
        parameters = list(self.policy.parameters())

        def compute(*tensors: Tensor) -> tuple[Tensor, ...]:
            part = Minibatch(*tensors[:6])
            for parameter in parameters:
                parameter.grad = None
            loss, statistics = loss_of(self._network()(part.images, known), part, *tensors[6:])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
            return (statistics, *(part.grad for part in parameters if part.grad is not None))

        inputs = (*batch.tensors(), *limits)
        if self._graphs is None:
            return compute(*inputs)[0]
        fixed = (self._loss_weights(), self.max_grad_norm, self.chosen_precision.name)
        statistics, *gradients = self._graphs.call(f"gradients {fixed}", compute, *inputs)
        trained = [parameter for parameter in parameters if parameter.grad is not None]
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.grad = gradient
        return statistics.clone()  # the next replay overwrites it

    def _take_step(self) -> None:
        step(self.policy.optimizer)
