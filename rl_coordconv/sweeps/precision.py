"""One precision for all runs of a sweep, decided once, where they will be trained.

If every run decided for itself, arms could come to differ in it, and the difference in the report
would be of two things.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunConfig, RunDirectory
from rl_coordconv.runs.checkpoints import has_checkpoint
from rl_coordconv.runs.precision import Decision, Finding, PrecisionName, recorded_precision
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.supervisor import Launcher


def find_decision(
    configs: Sequence[RunConfig], directory: SweepDirectory, launcher: Launcher
) -> Decision | None:
    """Find the precision of a sweep's runs: decided before, or as begun, or checked now.

    Args:
        configs: all runs of the sweep.
        directory: its directory.
        launcher: knows the machines that will train them.

    Returns:
        The decision; None where the sweep says itself what it wants.

    Raises:
        InputError: the file that holds the sweep's decision is damaged.
    """
    open_ones = [config for config in configs if config.precision == "auto"]
    if not open_ones:
        return None
    before = Decision.load(directory.path)
    if before is not None:
        return before
    return _as_begun(open_ones, directory) or decide(launcher.find_precisions(open_ones))


def save_decision(
    decision: Decision | None, directory: SweepDirectory, runs: Sequence[RunDirectory]
) -> None:
    """Save a decision for the sweep, and for each of its runs that has none of its own."""
    if decision is None:
        return
    if Decision.load(directory.path) is None:
        decision.save(directory.path)
    for run in runs:
        with suppress(InputError):  # its own file is damaged: it fails alone, when it is trained
            save_decision_for_run(decision, run)


def save_decision_for_run(decision: Decision | None, run: RunDirectory) -> None:
    """Save a decision for a run, which then has it wherever and whenever it is trained."""
    if decision is not None and Decision.load(run.path) is None:
        reason = f"decided for the whole sweep: {decision.reason}"
        Decision(precision=decision.precision, reason=reason).save(run.path)


def _as_begun(configs: Sequence[RunConfig], directory: SweepDirectory) -> Decision | None:
    """Return the precision that all begun runs have, from before there was a decision."""
    runs = [RunDirectory(directory.runs_directory / config.name) for config in configs]
    begun = [run for run in runs if has_checkpoint(run.checkpoints)]
    recorded = [_precision_of(run) for run in begun]
    precisions = {one for one in recorded if one is not None}
    if len(precisions) != 1:
        return None
    reason = f"as the runs that have begun ({len(begun)})"
    return Decision(precision=precisions.pop(), reason=reason)


def _precision_of(run: RunDirectory) -> PrecisionName | None:
    """Return a run's precision, unless its file is damaged: then that run fails alone."""
    try:
        return recorded_precision(run.environment_file)
    except InputError:
        return None


def decide(findings: Sequence[Finding]) -> Decision:
    """Take bf16 if every arm may have it on every machine; else fp32 for all."""
    against = next((one for one in findings if one.precision != "bf16"), None)
    if against is None and findings:
        arms = {(one.agent, one.extractor) for one in findings}
        machines = {one.machine for one in findings}
        counted = f"{len(arms)} arms on {len(machines)} machines"
        reason = f"auto: right for {counted}; {findings[0].reason}"
        return Decision(precision="bf16", reason=reason, findings=tuple(findings))
    reason = "auto: nothing could be checked"
    if against is not None:
        where = f"{against.agent}, {against.extractor} on {against.machine}"
        reason = f"auto: fp32 for all because of {where}: {against.reason}"
    return Decision(precision="fp32", reason=reason, findings=tuple(findings))
