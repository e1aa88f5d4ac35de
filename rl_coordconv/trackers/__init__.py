"""Experiment trackers: Weights & Biases, trackio, MLflow; none is imported unless asked for."""

from rl_coordconv.trackers.registry import TRACKERS, find_tracker, register_tracker
from rl_coordconv.trackers.spec import TrackedRun, Tracker, TrackerSpec

__all__ = [
    "TRACKERS",
    "TrackedRun",
    "Tracker",
    "TrackerSpec",
    "find_tracker",
    "register_tracker",
]
