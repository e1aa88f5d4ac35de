"""Advantage actor-critic, several times faster than stable-baselines3's on images."""

from __future__ import annotations

from typing import Any, Literal

import stable_baselines3
import torch

from rl_coordconv.agents.fast.acting import RolloutActor
from rl_coordconv.agents.fast.activations import RolloutActivations
from rl_coordconv.agents.fast.losses import A2C_STATISTICS, a2c_loss
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.on_policy import FastOnPolicyAlgorithm
from rl_coordconv.agents.presets import Preset
from rl_coordconv.agents.spec import AlgorithmSpec

MAX_CACHED_IMAGES = 256
"""Images whose activations are cached for the update, on a CPU: more would leave its own caches."""


class A2C(FastOnPolicyAlgorithm, stable_baselines3.A2C):
    """stable-baselines3's A2C, the same algorithm with the same public face, computed faster.

    The fast path takes uint8 images and discrete actions with any features extractor; everything
    else falls back to SB3's own code, see `slow_reason`. A saved model loads in plain
    stable-baselines3 and the other way round.

    Args:
        *args: as ``stable_baselines3.A2C``.
        precision: ``fp32``, stable-baselines3's numbers; ``bf16`` for the torso alone; or
            ``auto``, bf16 on a CPU with instructions for it where a check finds it right. What was
            decided and why is in `chosen_precision`.
        cuda_graphs: whether a GPU replays the policy step, the advantages and the gradients as
            CUDA graphs; without effect elsewhere. Off by default: not yet tried on a GPU.
        **kwargs: as ``stable_baselines3.A2C``.

    Raises:
        UnknownNameError: an unknown precision.
        InputError: bf16 where the hardware has none.

    Source:
        Mnih et al. 2016 (arXiv 1602.01783); stable-baselines3 2.9.2, a2c/a2c.py.
    """

    def _new_activations(self, actor: RolloutActor) -> RolloutActivations | None:
        count = self.n_steps * self.n_envs
        if self._graphs is not None or self.device.type != "cpu" or count > MAX_CACHED_IMAGES:
            return None
        if not actor.is_pure or actor.n_cached == 0:
            return None
        return RolloutActivations(actor.is_current)

    def train(self) -> None:
        """Update the policy once from the whole rollout buffer."""
        buffer = self.rollout_buffer
        if self.slow_reason is not None or not isinstance(buffer, DeviceRolloutBuffer):
            super().train()
            return
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        cached = buffer.take_activations()
        # A network that is not pure may draw random numbers in the order of its samples.
        in_order = self._network().is_pure
        batch = buffer.full_batch() if in_order else next(buffer.minibatches())
        row, _ = self._compute_gradients(a2c_loss, batch, cached=cached)
        self._take_step()
        self._n_updates += 1
        # The one moment that waits for the device.
        values = torch.cat([row, buffer.explained_variance()]).tolist()
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in zip((*A2C_STATISTICS, "explained_variance"), values, strict=True):
            if name != "loss":  # SB3's A2C does not log the sum
                self.logger.record(f"train/{name}", value)


class A2CPreset(Preset):
    """The hyperparameters of advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783)."""

    algorithm: Literal["a2c"]

    def sb3_kwargs(self) -> dict[str, Any]:
        # SB3 chooses its own RMSprop over policy_kwargs unless told not to.
        return super().sb3_kwargs() | {"use_rms_prop": False}


SPEC = AlgorithmSpec(
    name="a2c",
    preset=A2CPreset,
    cls=A2C,
    stock=stable_baselines3.A2C,
    losses=("policy_loss", "value_loss", "entropy_loss"),
)
