"""The resolved configuration of one run: everything that decides its outcome, as plain data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_text
from rl_coordconv._util.links import is_there
from rl_coordconv._util.validation import Scalar, read_yaml, validate
from rl_coordconv.agents.presets import MAX_TIMESTEPS, AgentPreset, Preset
from rl_coordconv.envs import EnvSpec, Presentation, Protocol, find_env
from rl_coordconv.extractors.registry import from_format_1

_UNFIT = re.compile(r"[^\w.+=-]")
"""What a directory's name should not hold, of ids and import paths."""

MAX_SEED = 2**14 - 1
"""Seeds end here so that every run has environment seeds of its own; see `seeds.py`."""
MAX_ENVS = 1024
"""Parallel environments, for the same reason."""
MAX_EPISODES = 100_000
"""Of an evaluation."""


def network_of(
    format_version: object, extractor: str, options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the extractor's name and options by their current names, from a file of any format."""
    if format_version == 1:
        return from_format_1(extractor, options)
    return extractor, dict(options)


class EvaluationConfig(BaseModel):
    """How the agent is evaluated, when it is finished and perhaps on the way: always on full
    episodes (to game over), raw scores."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    episodes: Annotated[int, Field(ge=0, le=MAX_EPISODES)] = 10
    deterministic: bool = False
    """Sample actions, as RL Zoo does on Atari; a deterministic agent can stall for half an hour."""
    freq: Annotated[int, Field(ge=0, le=MAX_TIMESTEPS)] = 0
    """Agent steps between two evaluations during training; 0 for none."""
    freq_episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)] = 5
    """Episodes of each of these."""


class Extension(BaseModel):
    """A larger total of agent steps that a run was given after it had begun."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    from_total: Annotated[int, Field(ge=1)]
    """Agent steps that were asked for before."""
    at_step: Annotated[int, Field(ge=0)]
    """Agent steps that it had, and went on from; until here schedules fell over the old total."""


class InitialPolicy(BaseModel):
    """The weights that a run began with, where they are another run's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    run: str
    """The name of the other run."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the other run's ``policy.safetensors``."""


class RunConfig(BaseModel):
    """Everything that one run was asked to be, with every default resolved."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: Literal[1, 2] = 2
    """1 was written before `coordconv-paper`, when ``coordconv`` meant that; see `network`."""
    game: str
    """The environment: a game's name as in Gymnasium's ids, for example ``MsPacman``, or ``Aim``;
    or, with ``env``, an id in Gymnasium's registry, perhaps with its module, ``module:Id-v0``."""
    extractor: str
    extractor_kwargs: dict[str, Scalar] = {}
    agent: str
    """The preset's name; its content, with overrides applied, is in ``preset``."""
    preset: AgentPreset
    protocol: Protocol | None
    """How an Atari game is presented; None for all others."""
    env: Presentation | None = None
    """How an environment of Gymnasium's registry is presented; None for those with names here."""
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    initialization: Literal["sb3", "paired"] = "sb3"
    """sb3: as stable-baselines3 draws weights; paired: equal between extractors for one seed."""
    initial_policy: InitialPolicy | None = None
    """Weights to begin with; None begins with random ones."""
    evaluation: EvaluationConfig = EvaluationConfig()
    extensions: list[Extension] = []
    """The totals that it had before the preset's ``n_timesteps``, the first one first."""

    @property
    def network(self) -> tuple[str, dict[str, Any]]:
        """The extractor's name and options by their current names, whatever version wrote it."""
        return network_of(self.format_version, self.extractor, self.extractor_kwargs)

    @property
    def environment(self) -> EnvSpec:
        """What the game's name stands for.

        Raises:
            UnknownNameError: no such game.
            InputError: an id that is not registered in Gymnasium.
        """
        return find_env(self.game, self.env)

    @property
    def total_timesteps(self) -> int:
        """Agent steps to train for, over all environments together."""
        return self.preset.n_timesteps

    @property
    def first_total(self) -> int:
        """Agent steps that the run was begun for."""
        return self.extensions[0].from_total if self.extensions else self.total_timesteps

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits over all that decides the trained weights.

        Where it is trained (``device``) and how it is evaluated afterwards (``evaluation``) do not
        count, so that asking for more evaluation episodes does not ask for another training; nor
        does it when a run is extended.
        """
        identity = self.model_dump(mode="json", exclude={"device", "evaluation", "extensions"})
        identity["preset"]["n_timesteps"] = self.first_total
        if not self.preset.extractor_kwargs:
            del identity["preset"]["extractor_kwargs"]  # runs from before there were any
        if self.initialization == "sb3":
            del identity["initialization"]  # runs from before there was a choice keep their names
        if self.initial_policy is None:
            del identity["initial_policy"]  # as above
        if self.env is None:
            del identity["env"]  # as above
        if network_of(1, self.extractor, self.extractor_kwargs) == self.network:
            identity["format_version"] = 1  # and those whose extractor's name means what it did
        text = json.dumps(identity, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The name of the run's directory: readable, and unique to the configuration."""
        parts = (self.game, self.agent, self.extractor, f"seed{self.seed}", self.hash)
        return "-".join(_UNFIT.sub("_", part) for part in parts)

    def save(self, path: Path) -> None:
        """Write the configuration as YAML."""
        data = self.model_dump(mode="json")
        for name in ("extensions", "initial_policy"):
            if not data[name]:
                del data[name]
        write_text(path, yaml.safe_dump(data, sort_keys=False))

    @classmethod
    def load(cls, path: Path) -> RunConfig:
        """Read and check a configuration.

        Raises:
            InputError: the file is missing, or a key or value in it is not allowed.
        """
        if not is_there(path):
            raise InputError(f"{path.parent} is not a run directory: it has no {path.name}")
        data = read_yaml(path, follow=False)
        return validate(_ADAPTER, data, where=str(path), keys=cls.model_fields)

    @classmethod
    def build(cls, **values: Any) -> RunConfig:
        """Make a configuration and check what one field alone cannot tell.

        Raises:
            InputError: a value is not allowed, or as `check_rollout`.
        """
        config = validate(_ADAPTER, values, where="the run's configuration", keys=cls.model_fields)
        check_rollout(config.preset)
        return config


_ADAPTER: TypeAdapter[RunConfig] = TypeAdapter(RunConfig)


def check_rollout(preset: Preset) -> None:
    """Refuse environments and rollouts that cannot be trained on as they are meant.

    Raises:
        InputError: more environments than there are seeds for, or a rollout that cannot be cut
            into minibatches.
    """
    if preset.n_envs > MAX_ENVS:
        raise InputError(
            f"n_envs {preset.n_envs} is not at most {MAX_ENVS}: so many environments of a run have "
            "seeds that no other run uses"
        )
    preset.check()
