"""Which initial weights of a run agree with those of the arms that it is compared with."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv.extractors.pairing import describe_pairing
from rl_coordconv.runs import RunConfig


def record_pairing(model: OnPolicyAlgorithm, config: RunConfig, console: Console) -> dict[str, Any]:
    """Describe which weights began paired; say so where some could not.

    Args:
        model: the run's agent.
        config: the run.
        console: where parameters that could not be paired are named.

    Returns:
        Entries of ``environment.json``; none where nothing was paired.
    """
    if config.initialization != "paired" or config.initial_policy is not None:
        return {}
    pairing = describe_pairing(model.policy)
    if pairing.unpaired:
        console.print(
            f"Initial weights paired by name: {', '.join(pairing.weights)}; not paired, because "
            f"they are no linear layer's or convolution's: {', '.join(pairing.unpaired)}.",
            soft_wrap=True, markup=False,
        )  # fmt: skip
    weights = {name: list(shape) for name, shape in pairing.weights.items()}
    return {"paired_weights": weights, "unpaired_parameters": list(pairing.unpaired)}
