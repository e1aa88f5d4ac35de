"""What a run was trained on, kept in ``environment.json``: versions, hardware, precision, pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_mapping
from rl_coordconv._util.validation import validate

PrecisionName = Literal["fp32", "bf16"]


class Segment(BaseModel):
    """Agent steps that were trained in one precision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_step: Annotated[int, Field(ge=0, lt=2**63, strict=True)]
    """How many agent steps the run had when it began."""
    precision: PrecisionName
    reason: str


class Environment(BaseModel):
    """What ``environment.json`` holds; what else is in it describes software and machine."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    precision: str | None = None
    precision_reason: str = ""
    precision_history: tuple[Segment, ...] | None = None
    """None in files from before there was one."""
    paired_weights: dict[str, tuple[Annotated[int, Field(ge=0, strict=True)], ...]] | None = None
    """Shapes of the initial weights that were drawn by name; None where that is not recorded."""
    unpaired_parameters: tuple[str, ...] = ()
    """Names of those that were not."""
    resumed: str = ""
    """How it went on after the last interruption."""

    @property
    def history(self) -> tuple[Segment, ...]:
        """The precisions from the run's first step on; none where they are not recorded.

        Files from before there was a history give the one precision that they name.
        """
        if self.precision_history is not None:
            return self.precision_history
        if self.precision not in get_args(PrecisionName):
            return ()
        first = {"from_step": 0, "precision": self.precision, "reason": self.precision_reason}
        return (Segment.model_validate(first),)

    @property
    def machine(self) -> dict[str, JsonValue]:
        """What describes software and machine, as it stands in the file."""
        return self.__pydantic_extra__


_ADAPTER: TypeAdapter[Environment] = TypeAdapter(Environment)


def read_environment(path: Path) -> Environment:
    """Read an ``environment.json``; a run that has not begun has none, and nothing is known of it.

    Raises:
        InputError: the file is damaged.
    """
    if not is_there(path):
        return Environment()
    return validate(_ADAPTER, read_mapping(path), where=str(path), keys=Environment.model_fields)
