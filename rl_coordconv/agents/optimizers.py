"""The optimisers that presets may name, and what each of them may be told."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike

from rl_coordconv._util.errors import InputError, closest, shown

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "rmsprop_tf_like": RMSpropTFLike,
}

# With epsilon 0 a weight whose gradient was always 0, as behind a dead unit, becomes NaN; with a
# decay of 1 or more a running mean never forgets, or grows.
_RANGES: dict[str, dict[str, str]] = {
    "adam": {"eps": "(0, 1]", "weight_decay": "[0, 1]"},
    "rmsprop_tf_like": {
        "eps": "(0, 1]", "weight_decay": "[0, 1]", "alpha": "[0, 1)", "momentum": "[0, 1)",
    },
}  # fmt: skip
"""The keyword arguments of each optimiser and the interval of each one's values."""


def check_optimizer(name: str, kwargs: Mapping[str, float]) -> None:
    """Refuse keyword arguments that an optimiser does not take, or cannot learn with.

    The optimiser itself is not tried: building the first one takes torch seconds.

    Raises:
        InputError: names the argument, its value, what is allowed and the closest match.
    """
    ranges = _RANGES[name]
    for key, value in kwargs.items():
        if key not in ranges:
            nearest = closest(key, ranges, most=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            allowed = ", ".join(ranges)
            raise InputError(
                f"optimizer_kwargs: {name} takes no {shown(key)} here{hint} (allowed: {allowed})"
            )
        if not _is_within(value, ranges[key]):
            raise InputError(f"optimizer_kwargs: {key} {value!r} is not in {ranges[key]}")


def _is_within(value: float, interval: str) -> bool:
    low, high = map(float, interval[1:-1].split(","))
    above = value > low if interval[0] == "(" else value >= low
    below = value < high if interval[-1] == ")" else value <= high
    return above and below and math.isfinite(value)
