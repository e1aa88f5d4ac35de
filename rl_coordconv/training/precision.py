"""The precision that an attempt at a run has to use, and what is recorded about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.precision import Precision, PrecisionRequest
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.checkpoints import has_checkpoint
from rl_coordconv.runs.precision import (
    Decision,
    PrecisionName,
    Segment,
    extended_history,
    recorded_history,
    recorded_precision,
)


@dataclass(frozen=True)
class RequestedPrecision:
    """What to ask the agent for."""

    precision: PrecisionRequest
    why: str = ""
    """Why it is not what the configuration says; empty where it is."""
    run: RunDirectory | None = None
    """The run that has no choice, where it has none."""
    is_change: bool = False
    """Whether a person asks for it now, which later attempts are to follow."""

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Let a refusal say where the precision comes from, and how to go on all the same."""
        try:
            yield
        except InputError as error:
            if self.run is None or self.precision != "bf16":
                raise
            raise InputError(
                f"{error}; bf16 is the precision of {self.run.path} ({self.why}). To go on in fp32 "
                "from here, which is recorded and told in reports: rl-coordconv train --resume "
                f"{self.run.path} --precision fp32"
            ) from error

    def reason(self, chosen: Precision) -> str:
        """Say why the chosen precision was used."""
        if not self.why:
            return chosen.reason
        words = chosen.reason.removeprefix("asked for").removeprefix("; ")
        return f"{self.why}; {words}" if words else self.why


def requested_precision(
    run: RunDirectory, change: PrecisionName | None = None
) -> RequestedPrecision:
    """Find the precision that a run has to be trained in: it does not change by itself half-way.

    Args:
        run: the run's directory.
        change: what a person asks for now.

    Raises:
        InputError: a file that tells the precision is damaged.
    """
    if change is not None:
        return RequestedPrecision(change, f"changed to {change} on request", is_change=True)
    recorded = recorded_precision(run.environment_file)
    if recorded is not None and has_checkpoint(run.checkpoints):
        said = recorded_history(run.environment_file)[-1].reason
        return RequestedPrecision(recorded, f"as before: {said}" if said else "as before", run)
    decision = Decision.load(run.path)
    if decision is not None:
        return RequestedPrecision(decision.precision, decision.reason, run)
    return RequestedPrecision(run.config().precision)


def record_precision(
    run: RunDirectory, request: RequestedPrecision, chosen: Precision, num_timesteps: int
) -> dict[str, Any]:
    """Describe the precision of an attempt, after those of the steps before it; keep a change.

    Args:
        run: the run's directory.
        request: what the agent was asked for.
        chosen: what it uses.
        num_timesteps: agent steps that the run has already.

    Returns:
        Entries of ``environment.json``.
    """
    reason = request.reason(chosen)
    if request.is_change:
        Decision(precision=chosen.name, reason=request.why).save(run.path)
    new = Segment(from_step=num_timesteps, precision=chosen.name, reason=reason)
    history = extended_history(recorded_history(run.environment_file), new)
    return {
        "precision": chosen.name,
        "precision_reason": reason,
        "precision_history": [segment.model_dump(mode="json") for segment in history],
    }
