"""``policy.json``: what a saved policy is made of, by names from fixed lists alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.reading import read_mapping
from rl_coordconv._util.validation import validate

FORMAT_VERSION = 2
"""1 knew one image and discrete actions only."""

Units = Annotated[int, Field(ge=1, le=2**20, strict=True)]
Layers = Annotated[list[Units], Field(max_length=64)]


class Heads(BaseModel):
    """Units of each hidden layer, of the policy and of the values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pi: Layers = []
    vf: Layers = []


class Description(BaseModel):
    """What ``policy.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int
    algorithm: str
    num_timesteps: Annotated[int, Field(ge=0, lt=2**53, strict=True)]
    policy: str
    features_extractor: str
    features_extractor_kwargs: dict[str, JsonValue]
    net_arch: Layers | Heads
    activation: str
    share_features_extractor: bool
    normalize_images: bool
    ortho_init: bool
    observation_space: dict[str, JsonValue]
    actions: int | dict[str, JsonValue]
    versions: dict[str, str] = {}
    sha256: str

    @property
    def head_units(self) -> Any:
        """``net_arch`` as stable-baselines3 takes it."""
        arch = self.net_arch
        return arch.model_dump(exclude_unset=True) if isinstance(arch, Heads) else arch


_ADAPTER: TypeAdapter[Description] = TypeAdapter(Description)


def read_description(path: Path) -> Description:
    """Read a ``policy.json``.

    Raises:
        InputError: it cannot be read, has a later format, or a key is missing, unknown or not as it
            should be.
    """
    data = read_mapping(path)
    version = data.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {version!r}; this version of rl-coordconv reads 1 to "
            f"{FORMAT_VERSION}"
        )
    keys = Description.model_fields
    return validate(_ADAPTER, data, where=f"{path} is damaged: it", keys=keys)
