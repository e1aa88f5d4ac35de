"""Base class of the fast A2C and PPO: rollout collection, gradients, fallback to SB3's own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rl_coordconv._util.errors import DivergedError
from rl_coordconv.agents.fast.acting import RolloutActor
from rl_coordconv.agents.fast.activations import Activations, RolloutActivations
from rl_coordconv.agents.fast.collecting import Collector
from rl_coordconv.agents.fast.eligibility import why_not_fast
from rl_coordconv.agents.fast.graphs import Graphs, capture_on
from rl_coordconv.agents.fast.losses import LossWeights
from rl_coordconv.agents.fast.memory import keep_freed_memory
from rl_coordconv.agents.fast.network import FastNetwork, RolloutPolicy
from rl_coordconv.agents.fast.optimizers import step
from rl_coordconv.agents.fast.pipelining import PipelinedCollection, may_pipeline
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer, Minibatch
from rl_coordconv.agents.fast.updating import LossOf, may_capture, replay_gradients
from rl_coordconv.agents.precision import (
    Precision,
    PrecisionRequest,
    check_request,
    choose_precision,
)


def make_graphs(device: torch.device) -> Graphs | None:
    """Return what captures a model's functions; None on a device without CUDA graphs."""
    return Graphs(capture_on(device)) if device.type == "cuda" else None


class FastOnPolicyAlgorithm(OnPolicyAlgorithm):
    """Mixed in before SB3's A2C or PPO: the same algorithm, computed faster.

    What the fast path cannot compute, `why_not_fast` tells, falls back to stable-baselines3's code.
    """

    normalize_advantage: bool

    def __init__(
        self,
        *args: Any,
        precision: PrecisionRequest = "fp32",
        cuda_graphs: bool = False,
        **kwargs: Any,
    ) -> None:
        self.precision: PrecisionRequest = precision
        """The precision that was asked for."""
        self.cuda_graphs = cuda_graphs
        """Whether the policy step, advantages and gradients are replayed as CUDA graphs."""
        self._chosen_precision: Precision | None = None
        self._graphs: Graphs | None = None
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        check_request(self.precision, self.device)
        self._chosen_precision = None
        self._graphs = make_graphs(self.device) if self.cuda_graphs else None
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
        """Why this model falls back to SB3's code, in a few words; None if it does not."""
        reason = why_not_fast(self)
        if reason is None and type(self.rollout_buffer) is not DeviceRolloutBuffer:
            return "the rollout buffer is stable-baselines3's own"
        return reason

    @property
    def chosen_precision(self) -> Precision:
        """The precision in use, and why; decided when it is first needed.

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

    def _rollout_policy(self) -> RolloutPolicy:
        return self._network().rollout_policy()

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Play, and fill the buffer; arguments, callbacks and result are stable-baselines3's.

        Raises:
            DivergedError: the network's values or log-probabilities became NaN or infinite.
        """
        if self.slow_reason is not None or not isinstance(rollout_buffer, DeviceRolloutBuffer):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        assert self._last_obs is not None, "No previous observation was provided"
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        rollout_buffer.graphs = self._graphs
        callback.on_rollout_start()
        collector = Collector(self, env, rollout_buffer, callback)
        collection = PipelinedCollection(collector) if may_pipeline(collector) else collector
        continue_training = collection.collect(n_rollout_steps)
        activations = collector.actor.take_activations()
        if not continue_training:
            return False
        rollout_buffer.activations = activations
        self._finish_rollout(collector)
        callback.on_rollout_end()
        return True

    def _finish_rollout(self, collector: Collector) -> None:
        """Compute returns and advantages, and show the callback what has become of the rollout."""
        buffer: Any = collector.buffer
        last_values = collector.actor.predict_values(collector.locals["new_obs"])
        dones = collector.locals["dones"]
        buffer.compute_returns_and_advantage(last_values=last_values, dones=dones)
        self._check_finite(buffer)
        collector.callback.update_locals(collector.final_locals(last_values))

    def _new_activations(self, actor: RolloutActor) -> RolloutActivations | None:
        """Return a cache for the rollout's activations, if the update can use them."""
        return None

    @staticmethod
    def _check_finite(buffer: DeviceRolloutBuffer) -> None:
        # Where SB3 builds a distribution it checks for NaN at every step; here once a rollout,
        # before anything is learnt from it.
        if not buffer.is_finite():
            raise DivergedError(
                "the network's values or log-probabilities became NaN or infinite: the training "
                "has diverged"
            )

    def _loss_weights(self) -> LossWeights:
        return LossWeights(self.ent_coef, self.vf_coef, self.normalize_advantage)

    def _compute_gradients(
        self,
        loss_of: LossOf,
        batch: Minibatch,
        *clip_ranges: Tensor,
        cached: Activations | None = None,
        may_learn: Callable[[Tensor], bool] = lambda _: True,
    ) -> tuple[Tensor, bool]:
        """Leave the clipped gradients in the parameters.

        Args:
            loss_of: the loss and its statistics for heads, minibatch, weights and clip ranges.
            batch: the steps to learn from.
            *clip_ranges: PPO's, which change from update to update.
            cached: the batch's activations, if the same weights have computed them already.
            may_learn: says whether the statistics allow a step.

        Returns:
            The loss's statistics, and whether a step is allowed. Where it is not, eager code leaves
            the gradients as they were.
        """
        policy, network, weights = self.policy, self._network(), self._loss_weights()
        if self._graphs is not None and may_capture(policy, network):
            statistics = replay_gradients(
                self._graphs, policy, network, loss_of, batch, weights, clip_ranges,
                self.max_grad_norm, self.chosen_precision.name,
            )  # fmt: skip
            return statistics, may_learn(statistics)
        loss, statistics = loss_of(network(batch.images, cached), batch, weights, *clip_ranges)
        if not may_learn(statistics):
            return statistics, False
        policy.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), self.max_grad_norm)
        return statistics, True

    def _take_step(self) -> None:
        step(self.policy.optimizer)
