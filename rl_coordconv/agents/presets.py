"""Agent presets: one validated YAML file holds an algorithm and all of its hyperparameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

from rl_coordconv.agents.schedules import Schedule, to_sb3_schedule
from rl_coordconv.presets import preset_path
from rl_coordconv.validation import read_yaml, validate

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "rmsprop_tf_like": RMSpropTFLike,
}

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0)]


class _Preset(BaseModel):
    """What every on-policy agent has. Names are those of stable-baselines3 and the RL Zoo."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    n_envs: Positive
    """Games played side by side."""
    n_timesteps: Positive
    """Agent steps of the full training, over all environments together."""
    n_steps: Positive
    """Agent steps per environment in one rollout."""
    learning_rate: Schedule
    gamma: Fraction
    gae_lambda: Fraction
    ent_coef: NonNegative
    vf_coef: NonNegative
    max_grad_norm: NonNegative
    normalize_advantage: bool
    optimizer: Literal["adam", "rmsprop_tf_like"]
    optimizer_kwargs: dict[str, float]

    def sb3_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments of the SB3 algorithm, without ``policy_kwargs``."""
        left_out = {"algorithm", "n_envs", "n_timesteps", "optimizer", "optimizer_kwargs"}
        kwargs = self.model_dump(exclude=left_out)
        return kwargs | {"learning_rate": to_sb3_schedule(self.learning_rate)}

    def optimizer_policy_kwargs(self) -> dict[str, Any]:
        """Return the part of ``policy_kwargs`` that chooses the optimiser."""
        return {
            "optimizer_class": OPTIMIZERS[self.optimizer],
            "optimizer_kwargs": dict(self.optimizer_kwargs),
        }


class A2CPreset(_Preset):
    """The hyperparameters of advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783)."""

    algorithm: Literal["a2c"]

    def sb3_kwargs(self) -> dict[str, Any]:
        # SB3 chooses its own RMSprop over policy_kwargs unless told not to.
        return super().sb3_kwargs() | {"use_rms_prop": False}


class PPOPreset(_Preset):
    """The hyperparameters of PPO (Schulman et al. 2017, arXiv 1707.06347)."""

    algorithm: Literal["ppo"]
    n_epochs: Positive
    batch_size: Annotated[int, Field(gt=1)]
    clip_range: Schedule
    clip_range_vf: Schedule | None
    target_kl: NonNegative | None

    def sb3_kwargs(self) -> dict[str, Any]:
        kwargs = super().sb3_kwargs() | {"clip_range": to_sb3_schedule(self.clip_range)}
        if self.clip_range_vf is not None:
            kwargs["clip_range_vf"] = to_sb3_schedule(self.clip_range_vf)
        return kwargs


AgentPreset = Annotated[A2CPreset | PPOPreset, Field(discriminator="algorithm")]
_ADAPTER: TypeAdapter[A2CPreset | PPOPreset] = TypeAdapter(AgentPreset)
_KEYS = {**A2CPreset.model_fields, **PPOPreset.model_fields}


def load_agent_preset(name_or_path: str) -> A2CPreset | PPOPreset:
    """Read an agent preset.

    Args:
        name_or_path: ``"ppo"`` or ``"a2c"``, or a path to one's own YAML file.

    Raises:
        UnknownNameError: no preset has this name.
        InputError: the file is missing, or a key or value in it is not allowed.
    """
    path: Path = preset_path("agents", "agent", name_or_path)
    return validate(_ADAPTER, read_yaml(path), where=str(path), keys=_KEYS)
