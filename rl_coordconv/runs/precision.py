"""Precision records: which one a run is to be trained in, and which its steps were trained in.

``precision.json`` in a sweep's or a run's directory holds what ``auto`` was decided to be there,
or what a person asked for later. ``environment.json`` holds what was used, segment by segment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rl_coordconv._util.files import read_json, read_mapping, write_json
from rl_coordconv._util.validation import validate

DECISION_FILE = "precision.json"

PrecisionName = Literal["fp32", "bf16"]


class Finding(BaseModel):
    """What one machine finds right for one arm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: str
    agent: str
    extractor: str
    precision: PrecisionName
    reason: str


class Decision(BaseModel):
    """A precision that was decided on, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: PrecisionName
    reason: str
    findings: tuple[Finding, ...] = ()
    """What it was decided by."""

    def save(self, directory: Path) -> None:
        """Keep the decision in a sweep's or a run's directory."""
        write_json(directory / DECISION_FILE, self.model_dump(mode="json"))

    @classmethod
    def load(cls, directory: Path) -> Decision | None:
        """Read the decision of a directory; None where there is none.

        Raises:
            InputError: the file is damaged.
        """
        path = directory / DECISION_FILE
        if not path.is_file():
            return None
        return validate(_DECISION, read_json(path), where=str(path), keys=cls.model_fields)


class Segment(BaseModel):
    """Agent steps that were trained in one precision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_step: Annotated[int, Field(ge=0)]
    """How many agent steps the run had when it began."""
    precision: PrecisionName
    reason: str


_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)
_HISTORY: TypeAdapter[tuple[Segment, ...]] = TypeAdapter(tuple[Segment, ...])


def recorded_precision(path: Path) -> PrecisionName | None:
    """Return the precision that an ``environment.json`` tells of; None without a file.

    Raises:
        InputError: the file is damaged.
    """
    history = recorded_history(path)
    return history[-1].precision if history else None


def recorded_history(path: Path) -> tuple[Segment, ...]:
    """Return the precisions that an ``environment.json`` tells of, from the run's first step on.

    Files from before there was a history give the one precision that they name; without a file
    there is none.

    Raises:
        InputError: the file is damaged.
    """
    return precision_history(read_mapping(path), path) if path.is_file() else ()


def precision_history(environment: Mapping[str, Any], path: Path) -> tuple[Segment, ...]:
    """Return what `recorded_history` does, of an ``environment.json`` that has been read.

    Args:
        environment: its content.
        path: where it lies, for the message.

    Raises:
        InputError: its history is none.
    """
    history = environment.get("precision_history")
    if history is not None:
        return validate(_HISTORY, history, where=f"precision_history in {path}")
    name = environment.get("precision")
    if name not in ("fp32", "bf16"):
        return ()
    reason = str(environment.get("precision_reason", ""))
    return (Segment(from_step=0, precision=name, reason=reason),)


def extended_history(history: Sequence[Segment], new: Segment) -> tuple[Segment, ...]:
    """Add an attempt to the history of a run.

    Segments that began at or after it are gone with the steps that were lost; one in the same
    precision goes on.
    """
    kept = tuple(segment for segment in history if segment.from_step < new.from_step)
    return kept if kept and kept[-1].precision == new.precision else (*kept, new)


def describe_history(history: Sequence[Segment]) -> str:
    """Name the precisions of a run's steps: ``bf16``, or ``bf16, from step 1,000 on fp32``."""
    later = [f", from step {one.from_step:,} on {one.precision}" for one in history[1:]]
    return "".join([*(one.precision for one in history[:1]), *later])
