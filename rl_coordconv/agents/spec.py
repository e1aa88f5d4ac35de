"""What the rest of the library has to know about an algorithm, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv.agents.presets import Preset


@dataclass(frozen=True)
class AlgorithmSpec:
    """What a preset's ``algorithm`` stands for.

    A run is stopped and saved between two rollouts, where an on-policy agent holds nothing but its
    policy, its optimiser and its counters; an algorithm that holds more cannot be described here.

    Attributes:
        name: as presets have it.
        preset: its hyperparameters.
        cls: its agent.
        stock: stable-baselines3's own, which it is measured beside.
        losses: what it logs under ``train/`` that must stay finite.
    """

    name: str
    preset: type[Preset]
    cls: type[OnPolicyAlgorithm]
    stock: type[OnPolicyAlgorithm]
    losses: tuple[str, ...]
