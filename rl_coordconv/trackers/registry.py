"""Trackers by name."""

from __future__ import annotations

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv.trackers import mlflow_tracker, trackio_tracker, wandb_tracker
from rl_coordconv.trackers.spec import TrackerSpec

TRACKERS: dict[str, TrackerSpec] = {}
"""Every tracker by its name."""


def register_tracker(spec: TrackerSpec) -> None:
    """Make a tracker known to the command line.

    Raises:
        InputError: the name stands for something else.
    """
    known = TRACKERS.setdefault(spec.name, spec)
    if known != spec:
        raise InputError(f"tracker {spec.name!r} is registered already, for {known.package}")


for _spec in (wandb_tracker.SPEC, trackio_tracker.SPEC, mlflow_tracker.SPEC):
    register_tracker(_spec)


def find_tracker(name: str) -> TrackerSpec:
    """Return what a name stands for.

    Raises:
        UnknownNameError: no tracker has this name; names the closest.
    """
    if name not in TRACKERS:
        raise unknown_name("tracker", name, TRACKERS)
    return TRACKERS[name]
