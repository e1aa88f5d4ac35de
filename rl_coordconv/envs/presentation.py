"""How a Gymnasium environment is presented to an agent, as data: a file in the RL Zoo's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, field_validator

from rl_coordconv._util.errors import InputError, shown
from rl_coordconv._util.importing import is_import_path
from rl_coordconv._util.validation import Scalar, read_yaml, validate

MAX_SIDE = 4096
"""Pixels of a resized image's side."""
MAX_STACK = 64
MAX_STEPS = 10**9

Argument = Scalar | Annotated[tuple[Scalar, ...], Strict(False)]
"""Of an environment or a wrapper: a number, a word, true or false, or a list of them, which is
given as a tuple."""
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


class Wrapper(BaseModel):
    """A wrapper by its import path, and its arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str
    """``package.module:Class``."""
    kwargs: dict[str, Argument] = {}

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        if not is_import_path(path):
            raise ValueError(f"{path!r} is no path of the form package.module.Class")
        return path


class Normalization(BaseModel):
    """stable-baselines3's `VecNormalize`, as far as it is of use beside images."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    norm_obs: Literal[False] = False
    """Never: policies divide images by 255 themselves."""
    norm_reward: bool = True
    """Train on rewards over the running standard deviation of the discounted return, clipped to 10;
    scores stay raw."""


class Presentation(BaseModel):
    """How a Gymnasium environment is made and what is done to its observations.

    In this order: the environment is made with ``kwargs``; what it renders takes the place of what
    it observes (``pixels``); ``env_wrapper``; ``grayscale``; ``resize``; then, over all
    sub-environments, ``frame_stack``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kwargs: dict[str, Argument] = {}
    """Arguments of the environment."""
    pixels: bool = False
    """Observe what the environment renders, for environments whose own observations are no images.
    """
    env_wrapper: tuple[Wrapper, ...] = ()
    """Gymnasium wrappers, the innermost first."""
    grayscale: bool = False
    resize: tuple[Side, Side] | None = None
    """Height and width in pixels, by averaging over areas; None leaves images as they are."""
    frame_stack: Annotated[int, Field(ge=1, le=MAX_STACK)] = 1
    """Observations of so many steps, stacked along the channels, oldest first."""
    normalize: Normalization | None = None
    """What training rewards are divided by; none of it in evaluations."""
    max_episode_steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = None
    """Agent steps after which an episode is truncated; None leaves that to the environment."""
    vec_env: Literal["dummy", "subproc"] = "dummy"
    """All sub-environments in this process, or one process each."""

    @field_validator("env_wrapper", mode="before")
    @classmethod
    def _read_wrappers(cls, value: Any) -> Any:
        """Accept the RL Zoo's forms: a name, a list of names, or of {name: {argument: value}}."""
        if value is None:
            return ()
        return tuple(_read_wrapper(one) for one in (value if _is_list(value) else [value]))

    @field_validator("resize", mode="before")
    @classmethod
    def _read_size(cls, value: Any) -> Any:
        """Accept one number for a square."""
        return (value, value) if type(value) is int else tuple(value) if _is_list(value) else value

    @field_validator("normalize", mode="before")
    @classmethod
    def _read_normalization(cls, value: Any) -> Any:
        """Accept the RL Zoo's bare ``false``."""
        return None if value is False else value

    @property
    def modules(self) -> tuple[str, ...]:
        """What has to be imported for it, as ``package.module:Class``."""
        return tuple(one.path for one in self.env_wrapper)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _read_wrapper(one: Any) -> Any:
    if isinstance(one, Wrapper):
        return one
    if isinstance(one, dict) and set(one) <= {"path", "kwargs"} and "path" in one:
        return one
    if isinstance(one, dict) and len(one) == 1:
        ((path, kwargs),) = one.items()
    else:
        path, kwargs = one, {}
    if not isinstance(path, str):
        raise ValueError(f"{shown(one)} is no wrapper: a name, or {{name: {{argument: value}}}}")
    return {"path": _with_colon(path), "kwargs": kwargs or {}}


def _with_colon(path: str) -> str:
    """Turn the RL Zoo's ``package.module.Class`` into ``package.module:Class``."""
    if ":" in path:
        return path
    module, _, name = path.rpartition(".")
    return f"{module}:{name}"


_ADAPTER: TypeAdapter[Presentation] = TypeAdapter(Presentation)


def build_presentation(values: dict[str, Any], where: str) -> Presentation:
    """Check what a file or flags say.

    Raises:
        InputError: a key or value that is not allowed.
    """
    return validate(_ADAPTER, values, where=where, keys=Presentation.model_fields)


def load_presentation(path: Path) -> Presentation:
    """Read an environment file.

    Raises:
        InputError: the file is missing, or a key or value in it is not allowed.
    """
    if not path.is_file():
        raise InputError(f"the environment's file {path} does not exist")
    return build_presentation(read_yaml(path), str(path))
