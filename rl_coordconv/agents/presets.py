"""Agent presets: one validated YAML file holds an algorithm and all of its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from rl_coordconv._util.errors import InputError, shown, unknown_name
from rl_coordconv._util.presets import preset_path
from rl_coordconv._util.validation import read_yaml, validate
from rl_coordconv.agents.optimizers import OPTIMIZERS, check_optimizer
from rl_coordconv.agents.schedules import Schedule, to_sb3_schedule
from rl_coordconv.extractors.registry import EXTRACTORS, find_spec

MAX_TIMESTEPS = 10**12
"""Agent steps of a training: 116 days at 100,000 steps a second."""
MAX_EPOCHS = 10_000

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Positive = Annotated[int, Field(gt=0, lt=2**63)]


class Preset(BaseModel):
    """What every on-policy agent has. Names are those of stable-baselines3 and the RL Zoo."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    algorithm: str
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
    extractor_kwargs: dict[str, bool | int | float | str] = {}
    """Options that every extractor gets which has them, unless an arm says otherwise."""

    @model_validator(mode="after")
    def _check_optimizer(self) -> Self:
        check_optimizer(self.optimizer, self.optimizer_kwargs)
        return self

    def sb3_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments of the SB3 algorithm, without ``policy_kwargs``."""
        kwargs = self.model_dump(exclude=_NOT_OF_SB3)
        return kwargs | {"learning_rate": to_sb3_schedule(self.learning_rate)}

    def extractor_options(self, extractor: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return an extractor's options: the preset's, as far as it has them, under its own.

        Args:
            extractor: one of the extractors' names.
            options: its own.

        Raises:
            UnknownNameError: no extractor has this name, or none an option of the preset's.
        """
        known = {option for spec in EXTRACTORS.values() for option in spec.options}
        for option in self.extractor_kwargs:
            if option not in known:
                raise unknown_name("option in the preset's extractor_kwargs", option, known)
        taken = find_spec(extractor).options
        given = {key: value for key, value in self.extractor_kwargs.items() if key in taken}
        return given | dict(options)

    def options_left_out(self, extractor: str) -> list[str]:
        """Return the options of the preset's that an extractor does not have.

        Raises:
            UnknownNameError: no extractor has this name.
        """
        return [key for key in self.extractor_kwargs if key not in find_spec(extractor).options]

    def check(self) -> None:
        """Refuse what no hyperparameter shows by itself.

        Raises:
            InputError: a rollout that this algorithm cannot train on as it is meant.
        """
        if self.normalize_advantage and self.n_steps * self.n_envs == 1:
            raise InputError(
                "normalize_advantage needs rollouts of more than one step, not n_steps x n_envs = 1"
            )

    def with_one_env(self) -> Self:
        """Return the preset for a single environment, with which an agent can be built."""
        return self.model_copy(update={"n_envs": 1})

    @property
    def passes(self) -> int:
        """How often an update goes over a rollout."""
        return 1

    def optimizer_policy_kwargs(self) -> dict[str, Any]:
        """Return the part of ``policy_kwargs`` that chooses the optimiser."""
        return {
            "optimizer_class": OPTIMIZERS[self.optimizer],
            "optimizer_kwargs": dict(self.optimizer_kwargs),
        }


_NOT_OF_SB3 = {
    *("algorithm", "n_envs", "n_timesteps", "optimizer", "optimizer_kwargs", "extractor_kwargs"),
}

PRESET_TYPES: dict[str, type[Preset]] = {}
"""The presets of all registered algorithms, by the algorithm's name."""


def _read_preset(value: Any) -> Preset:
    """Check a preset as its algorithm has it."""
    if isinstance(value, Preset):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{shown(value)} is no mapping of hyperparameters")
    if "algorithm" not in value:
        raise _complaint("algorithm: missing", value)
    name = value["algorithm"]
    if not isinstance(name, str) or name not in PRESET_TYPES:
        raise _complaint(str(unknown_name("algorithm", name, PRESET_TYPES)), name)
    return PRESET_TYPES[name].model_validate(value)


def _complaint(reason: str, value: Any) -> ValidationError:
    kind = PydanticCustomError("algorithm", "{reason}", {"reason": reason})
    error: InitErrorDetails = {"type": kind, "loc": ("algorithm",), "input": value}
    return ValidationError.from_exception_data("preset", [error])


AgentPreset = Annotated[Preset, PlainValidator(_read_preset), SerializeAsAny()]
"""The preset of any registered algorithm, which its ``algorithm`` names."""
_ADAPTER: TypeAdapter[Preset] = TypeAdapter(AgentPreset)


def preset_keys() -> dict[str, Any]:
    """Return the hyperparameters of all algorithms."""
    return {
        key: field for kind in PRESET_TYPES.values() for key, field in kind.model_fields.items()
    }


def load_agent_preset(name_or_path: str) -> Preset:
    """Read an agent preset.

    Args:
        name_or_path: ``"ppo"`` or ``"a2c"``, or a path to one's own YAML file.

    Raises:
        UnknownNameError: no preset has this name.
        InputError: the file is missing, or a key or value in it is not allowed.
    """
    path: Path = preset_path("agents", "agent", name_or_path)
    return validate(_ADAPTER, read_yaml(path), where=str(path), keys=preset_keys())


def change_preset(preset: Preset, changes: Mapping[str, Any]) -> Preset:
    """Return a preset with some of its values changed, checked as a file's are.

    Raises:
        InputError: a key or value that is not allowed.
    """
    values = preset.model_dump() | dict(changes)
    return validate(_ADAPTER, values, where="the agent's preset", keys=preset_keys())
