"""Precision records: which one a run is to be trained in, and which its steps were trained in.

``precision.json`` in a sweep's or a run's directory holds what ``auto`` was decided to be there,
or what a person asked for later. ``environment.json`` holds what was used, segment by segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rl_coordconv._util.files import write_json
from rl_coordconv._util.links import is_there
from rl_coordconv._util.reading import read_json
from rl_coordconv._util.validation import validate
from rl_coordconv.runs.environment import PrecisionName, Segment, read_environment

DECISION_FILE = "precision.json"


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
        if not is_there(path):
            return None
        return validate(_DECISION, read_json(path), where=str(path), keys=cls.model_fields)


_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)


def recorded_precision(path: Path) -> PrecisionName | None:
    """Return the precision that an ``environment.json`` tells of; None without a file.

    Raises:
        InputError: the file is damaged.
    """
    history = recorded_history(path)
    return history[-1].precision if history else None


def recorded_history(path: Path) -> tuple[Segment, ...]:
    """Return the precisions that an ``environment.json`` tells of, from the run's first step on.

    Raises:
        InputError: the file is damaged.
    """
    return read_environment(path).history


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
