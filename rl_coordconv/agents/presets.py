"""Agent presets: one validated YAML file holds an algorithm and all of its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from rl_coordconv._util.presets import preset_path
from rl_coordconv._util.validation import read_yaml, validate
from rl_coordconv.agents.optimizers import OPTIMIZERS, check_optimizer
from rl_coordconv.agents.schedules import PositiveSchedule, Schedule, to_sb3_schedule

MAX_TIMESTEPS = 10**12
"""Agent steps of a training: 116 days at 100,000 steps a second."""
MAX_EPOCHS = 10_000

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0, lt=2**63)]


class _Preset(BaseModel):
    """What every on-policy agent has. Names are those of stable-baselines3 and the RL Zoo."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    n_envs: Positive
    """Parallel environments."""
    n_timesteps: Annotated[int, Field(gt=0, le=MAX_TIMESTEPS)]
    """Agent steps of the full training, over all environments together."""
    n_steps: Positive
    """Agent steps per environment in one rollout."""
    learning_rate: Schedule
    gamma: Fraction
    gae_lambda: Fraction
    ent_coef: NonNegative
    vf_coef: NonNegative
    max_grad_norm: AboveZero
    normalize_advantage: bool
    optimizer: Literal["adam", "rmsprop_tf_like"]
    optimizer_kwargs: dict[str, float]

    @model_validator(mode="after")
    def _check_optimizer(self) -> Self:
        check_optimizer(self.optimizer, self.optimizer_kwargs)
        return self

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


def change_preset(
    preset: A2CPreset | PPOPreset, changes: Mapping[str, Any]
) -> A2CPreset | PPOPreset:
    """Return a preset with some of its values changed, checked as a file's are.

    Raises:
        InputError: a key or value that is not allowed.
    """
    values = preset.model_dump() | dict(changes)
    return validate(_ADAPTER, values, where="the agent's preset", keys=_KEYS)
