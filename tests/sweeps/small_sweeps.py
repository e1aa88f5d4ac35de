"""What the tests of several backends share: a small sweep, its runs, and patience."""

import time

from rl_coordconv.runs import RunDirectory
from rl_coordconv.sweeps.plan import SweepConfig


def description(preset, **changes):
    """Two runs of Pong, as short as they can be."""
    values = {"games": ("Pong",), "agents": (preset,), "extractors": ("cnn", "coordconv"),
              "seeds": 1, "total_timesteps": 64, "precision": "fp32", "eval_episodes": 0,
              "device": "cpu"}  # fmt: skip
    return SweepConfig.build(values | changes, "the test")


def runs_of(sweep):
    """The runs in a sweep's directory, by their names."""
    return [RunDirectory(path) for path in sorted((sweep / "runs").iterdir())]


def wait_for(condition, seconds=120):
    """Return what a function returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")
