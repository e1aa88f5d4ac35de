"""Algorithms by name."""

from __future__ import annotations

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import a2c, ppo
from rl_coordconv.agents.presets import PRESET_TYPES
from rl_coordconv.agents.spec import AlgorithmSpec

ALGORITHMS: dict[str, AlgorithmSpec] = {}
"""Every algorithm by its name."""


def register_algorithm(spec: AlgorithmSpec) -> None:
    """Make an algorithm known: to presets, runs, and benchmarks.

    Raises:
        InputError: the name stands for something else.
    """
    known = ALGORITHMS.setdefault(spec.name, spec)
    if known != spec:
        raise InputError(f"algorithm {spec.name!r} is registered already, as {known.cls.__name__}")
    PRESET_TYPES[spec.name] = spec.preset


for _spec in (a2c.SPEC, ppo.SPEC):
    register_algorithm(_spec)
