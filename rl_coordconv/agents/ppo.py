"""Proximal policy optimisation, several times faster than stable-baselines3's on images."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
import stable_baselines3
import torch
from pydantic import Field
from torch import Tensor

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.fast.losses import PPO_STATISTICS, ppo_loss
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.agents.on_policy import FastOnPolicyAlgorithm
from rl_coordconv.agents.presets import MAX_EPOCHS, NonNegative, Preset
from rl_coordconv.agents.schedules import PositiveSchedule, to_sb3_schedule
from rl_coordconv.agents.spec import AlgorithmSpec

_KL = PPO_STATISTICS.index("approx_kl")


class PPO(FastOnPolicyAlgorithm, stable_baselines3.PPO):
    """stable-baselines3's PPO, the same algorithm with the same public face, computed faster.

    The fast path takes uint8 images and discrete actions with any features extractor; everything
    else falls back to SB3's own code, see `slow_reason`. A saved model loads in plain
    stable-baselines3 and the other way round.

    Args:
        *args: as ``stable_baselines3.PPO``.
        precision: ``fp32``, stable-baselines3's numbers; ``bf16`` for the torso alone; or
            ``auto``, bf16 on a CPU with instructions for it where a check finds it right. What was
            decided and why is in `chosen_precision`.
        cuda_graphs: whether a GPU replays the policy step, the advantages and the gradients as
            CUDA graphs; without effect elsewhere. Off by default: not yet tried on a GPU.
        **kwargs: as ``stable_baselines3.PPO``.

    Raises:
        UnknownNameError: an unknown precision.
        InputError: bf16 where the hardware has none.

    Source:
        Schulman et al. 2017 (arXiv 1707.06347); stable-baselines3 2.9.2, ppo/ppo.py.
    """

    def train(self) -> None:
        """Update the policy from the rollout buffer."""
        buffer = self.rollout_buffer
        if self.slow_reason is not None or not isinstance(buffer, DeviceRolloutBuffer):
            super().train()
            return
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        progress = self._current_progress_remaining
        schedules: Any = self  # set-up turned both numbers into functions of the progress
        clip_range = schedules.clip_range(progress)
        clip_range_vf = schedules.clip_range_vf and schedules.clip_range_vf(progress)
        ranges = [clip_range] if clip_range_vf is None else [clip_range, clip_range_vf]
        clip_ranges = [torch.full((), value, device=self.device) for value in ranges]
        epochs: list[list[Tensor]] = []
        for _ in range(self.n_epochs):
            epochs.append([])
            is_within_target_kl = self._train_epoch(buffer, clip_ranges, epochs[-1])
            self._n_updates += 1
            if not is_within_target_kl:
                if self.verbose >= 1:
                    kl = epochs[-1][-1][_KL].item()
                    step = len(epochs) - 1
                    print(f"Early stopping at step {step} due to reaching max kl: {kl:.2f}")
                break
        self._log(buffer, epochs)
        self.logger.record("train/clip_range", clip_range)
        if clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", clip_range_vf)

    def _train_epoch(
        self, buffer: DeviceRolloutBuffer, clip_ranges: list[Tensor], statistics: list[Tensor]
    ) -> bool:
        """Go through the buffer once; return False where the divergence exceeds `target_kl`."""
        for batch in buffer.minibatches(self.batch_size):
            row, may_learn = self._compute_gradients(
                ppo_loss, batch, *clip_ranges, may_learn=self._is_within_target_kl
            )
            statistics.append(row)
            if not may_learn:
                return False
            self._take_step()
        return True

    def _is_within_target_kl(self, statistics: Tensor) -> bool:
        # Without a limit on the divergence nothing here waits for the device.
        return self.target_kl is None or not statistics[_KL].item() > 1.5 * self.target_kl

    def _log(self, buffer: DeviceRolloutBuffer, epochs: list[list[Tensor]]) -> None:
        stacked = torch.stack([row for epoch in epochs for row in epoch])
        explained = buffer.explained_variance().expand(1, stacked.shape[1])
        # The one moment that waits for the device.
        table = torch.cat([stacked, explained]).cpu().numpy().astype(np.float64)
        rows, explained_variance = table[:-1], table[-1, 0]
        means = dict(zip(PPO_STATISTICS, rows.mean(axis=0), strict=True))
        # SB3 reports the last epoch's divergence and the last minibatch's loss.
        means["approx_kl"] = rows[-len(epochs[-1]) :, _KL].mean()
        means["loss"] = rows[-1, PPO_STATISTICS.index("loss")]
        for name, value in means.items():
            self.logger.record(f"train/{name}", float(value))
        self.logger.record("train/explained_variance", float(explained_variance))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")


class PPOPreset(Preset):
    """The hyperparameters of PPO (Schulman et al. 2017, arXiv 1707.06347)."""

    algorithm: Literal["ppo"]
    n_epochs: Annotated[int, Field(gt=0, le=MAX_EPOCHS)]
    batch_size: Annotated[int, Field(gt=1)]
    clip_range: PositiveSchedule
    clip_range_vf: PositiveSchedule | None
    target_kl: NonNegative | None

    def sb3_kwargs(self) -> dict[str, Any]:
        kwargs = super().sb3_kwargs() | {"clip_range": to_sb3_schedule(self.clip_range)}
        if self.clip_range_vf is not None:
            kwargs["clip_range_vf"] = to_sb3_schedule(self.clip_range_vf)
        return kwargs

    def check(self) -> None:
        """Refuse a rollout that minibatches do not divide: SB3 would train on a truncated one."""
        rollout = self.n_steps * self.n_envs
        if rollout % self.batch_size:
            raise InputError(
                f"batch_size {self.batch_size} does not divide the rollout of n_steps x n_envs = "
                f"{self.n_steps} x {self.n_envs} = {rollout} steps; choose another number of "
                "environments or change n_steps or batch_size in the agent's preset"
            )

    def with_one_env(self) -> Self:
        """Return the preset for a single environment; its rollout is one minibatch."""
        return self.model_copy(update={"n_envs": 1, "n_steps": self.batch_size})

    @property
    def passes(self) -> int:
        """How often an update goes over a rollout."""
        return self.n_epochs


SPEC = AlgorithmSpec(
    name="ppo",
    preset=PPOPreset,
    cls=PPO,
    stock=stable_baselines3.PPO,
    losses=("loss", "policy_gradient_loss", "value_loss", "entropy_loss"),
)
