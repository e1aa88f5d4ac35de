"""Memory check: whether a training fits into this machine, told before anything is allocated."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from math import prod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.outlines import outline_box, without_memory
from rl_coordconv.agents.presets import Preset
from rl_coordconv.extractors.registry import find_extractor, find_spec
from rl_coordconv.extractors.spec import ForeignSpec
from rl_coordconv.machine.hardware import memory_bytes

_COPIES = {"adam": 4, "rmsprop_tf_like": 3}
"""Numbers kept for each weight: itself, its gradient, and the optimiser's one or two."""
_FLOAT = 4

Shape = tuple[int, ...]


def check_fits(
    preset: Preset,
    extractor: str,
    extractor_kwargs: Mapping[str, Any],
    shape: Shape,
    device: torch.device,
) -> None:
    """Refuse a training whose rollout or weights alone are larger than the memory.

    Args:
        preset: the agent.
        extractor: one of the extractors' names.
        extractor_kwargs: its options.
        shape: of an observation, (channels, height, width).
        device: where the network runs; the rollout lies beside it.

    Raises:
        InputError: it does not fit; shows the arithmetic.
    """
    memory, place = _memory(device)
    if memory is None:
        return
    _refuse_larger(memory, place, *_rollout(preset, shape))
    options = tuple(sorted(preset.extractor_options(extractor, extractor_kwargs).items()))
    inputs, features = _last_layer(extractor, options, shape)
    _refuse_larger(memory, place, *_weights(preset.optimizer, inputs, features))


def _refuse_larger(memory: int, place: str, size: int, arithmetic: str) -> None:
    if size > memory:
        raise InputError(
            f"{arithmetic} = {_gib(size)}, which is more than the {_gib(memory)} {place}"
        )


def _memory(device: torch.device) -> tuple[int | None, str]:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory, "of the GPU"
    return memory_bytes(), "of memory here"


def _rollout(preset: Preset, shape: Shape) -> tuple[int, str]:
    return preset.n_steps * preset.n_envs * prod(shape), (
        f"a rollout holds n_steps x n_envs images of {' x '.join(map(str, shape))} bytes: "
        f"{preset.n_steps:,} x {preset.n_envs:,} x {prod(shape):,}"
    )


def _weights(optimizer: str, inputs: int, features: int) -> tuple[int, str]:
    copies = _COPIES[optimizer]
    return inputs * features * _FLOAT * copies, (
        f"features_dim {features:,}: {inputs:,} x {features:,} weights of {_FLOAT} bytes, kept "
        f"{copies} times (value, gradient, optimiser)"
    )


@cache
def _last_layer(
    extractor: str, options: tuple[tuple[str, Any], ...], shape: Shape
) -> tuple[int, int]:
    """Return the inputs and outputs of an extractor's last layer, whatever size that would have."""
    cls, kwargs = find_extractor(extractor, dict(options))
    if isinstance(find_spec(extractor), ForeignSpec):
        return _measured(extractor, cls, kwargs, shape)
    default = inspect.signature(cls).parameters["features_dim"].default
    features: int = kwargs.pop("features_dim", default)
    with without_memory():  # an image of any size: it may be no more than what a file claims
        space = outline_box(shape, np.dtype(np.uint8), 0, 255)
        network = cls(space, features_dim=1, **kwargs)
    layers = [part for part in network.modules() if isinstance(part, torch.nn.Linear)]
    return max((layer.in_features for layer in layers), default=0), features


def _measured(
    extractor: str, cls: type[BaseFeaturesExtractor], kwargs: dict[str, Any], shape: Shape
) -> tuple[int, int]:
    """Build somebody else's extractor, of whose layers nothing is known, and count its weights.

    Raises:
        InputError: it cannot be built.
    """
    try:
        with torch.random.fork_rng(devices=()):
            network = cls(spaces.Box(0, 255, shape, np.uint8), **kwargs)
    except Exception as error:
        raise InputError(
            f"extractor {extractor!r} cannot be built for images of {' x '.join(map(str, shape))}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return sum(weights.numel() for weights in network.parameters()), 1


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size < 2**70 else f"{size >> 30:,} GiB"
