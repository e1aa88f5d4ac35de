"""Pure modules, which may be computed without calling them, and detection of changes to a policy.

The fast path computes a network in its own way only where it knows, module by module, what the
network computes: by the exact type, by the type's own methods, and by the absence of hooks. A
subclass with another ``forward``, a parametrised weight or a patched method is called as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor, NatureCNN
from torch import nn

from rl_coordconv._util.torch_internals import (
    count_hooks,
    has_global_hooks,
    read_parts,
    read_versions,
)
from rl_coordconv.extractors import (
    CoordConvCNN,
    ImpalaCNN,
    PlaceboCNN,
    PlaceboImpalaCNN,
    PooledCNN,
)
from rl_coordconv.extractors.impala import ResidualBlock, Stage
from rl_coordconv.extractors.pooling import GlobalPool
from rl_coordconv.layers import (
    ConstantConv2d,
    CoordConv2d,
    PositionEmbedding,
    SinusoidalEmbedding,
    SpatialSoftmax,
    ZeroMeanConv2d,
)

_PURE: tuple[type[nn.Module], ...] = (
    *(nn.Linear, nn.Conv2d, ZeroMeanConv2d, CoordConv2d, ConstantConv2d),
    *(nn.ReLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Identity),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, GlobalPool),
    *(SpatialSoftmax, PositionEmbedding, SinusoidalEmbedding),
    *(nn.Flatten, nn.LayerNorm, nn.GroupNorm, nn.Sequential),
    *(NatureCNN, PooledCNN, CoordConvCNN, PlaceboCNN, ImpalaCNN, PlaceboImpalaCNN),
    *(Stage, ResidualBlock),
    *(FlattenExtractor, MlpExtractor),
)
"""Deterministic, without a state that a call changes, and the same for a sample in any batch and
in any memory format."""

_METHODS = (
    *("__call__", "_call_impl", "__getattr__", "forward", "_conv_forward"),
    *("decompose", "make_extra_channels", "forward_actor", "forward_critic"),
)
_ORIGINALS = {cls: {name: getattr(cls, name, None) for name in _METHODS} for cls in _PURE}
"""As they were when this file was imported, to notice who patches a class."""


def is_unmodified(module: nn.Module, *types: type[nn.Module]) -> bool:
    """Tell whether a module itself (not its children) is exactly what its type says.

    Args:
        module: any module.
        *types: those that are allowed; none for all that are pure.
    """
    cls = type(module)
    originals = _ORIGINALS.get(cls)
    if originals is None or (types and cls not in types):
        return False
    if any(getattr(cls, name, None) is not function for name, function in originals.items()):
        return False
    return not any(name in vars(module) for name in _METHODS) and not count_hooks(module)


def is_pure(module: nn.Module) -> bool:
    """Tell whether a module is pure: with all within it deterministic and what its type says."""
    return all(is_unmodified(part) for part in module.modules())


def is_hooked(module: nn.Module) -> bool:
    """Tell whether somebody listens to a module, to one within it, or to all modules there are."""
    if has_global_hooks():
        return True
    return any(count_hooks(part) for part in module.modules())


class PolicyStructure:
    """A policy's parts at one moment: modules, hooks, addresses of parameters and buffers.

    Two that are equal describe a policy in which nothing but numbers has changed. It keeps the
    modules alive, so that no other takes the identity of one of them.

    Args:
        policy: any actor-critic policy.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._policy = policy
        self._modules = list(policy.modules())
        self._facts = self._read()

    def is_current(self) -> bool:
        """Tell whether the policy is still made of the same parts."""
        return self._read() == self._facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyStructure) and self._facts == other._facts

    __hash__ = None  # type: ignore[assignment]

    def _read(self) -> list[Any]:
        policy = self._policy
        return [
            policy.normalize_images,
            policy.share_features_extractor,
            has_global_hooks(),
            *read_parts(self._modules),
        ]


_COMPARED_WHOLE = 2**17
"""Elements; of a larger tensor every `_STRIDE`-th is compared."""
_STRIDE = 389  # prime, so that it meets all rows and columns of a matrix in time


class ParameterSnapshot:
    """The numbers in some parameters at one moment.

    Version counters tell of every change in place; who writes through ``.data``, as
    stable-baselines3's target networks are updated, leaves them as they are and is found by
    comparing.

    Args:
        parameters: whose version counters are watched.
        copied: those of them whose values a rollout policy has copied.
    """

    def __init__(
        self, parameters: Iterable[torch.Tensor], copied: Iterable[torch.Tensor] = ()
    ) -> None:
        self._parameters = list(parameters)
        self._versions = read_versions(self._parameters)
        self._copied = [(_sample(one), _sample(one).clone()) for one in copied]

    def is_current(self, *, compare: bool = True) -> bool:
        """Tell whether they are still the same.

        Args:
            compare: whether to look for changes that version counters do not tell of.
        """
        if read_versions(self._parameters) != self._versions:
            return False
        return not compare or all(_is_equal(now, then) for now, then in self._copied)


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    flat = tensor.detach().reshape(-1)
    return flat if flat.numel() <= _COMPARED_WHOLE else flat[::_STRIDE]


def _is_equal(now: torch.Tensor, then: torch.Tensor) -> bool:
    if now.device.type == "cpu" and now.dtype is torch.float32:
        return bool((now.numpy() == then.numpy()).all())  # several times as fast as torch.equal
    return torch.equal(now, then)
