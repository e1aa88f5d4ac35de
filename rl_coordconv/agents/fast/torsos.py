"""Torsos: an extractor network's features, computed from uint8 images in a chosen precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn
from torch.nn import functional

from rl_coordconv.agents.fast.activations import Activations
from rl_coordconv.agents.fast.images import (
    CachedConvolution,
    FlattenChannelsLast,
    Uint8Convolution,
    relu_with_map,
)
from rl_coordconv.agents.fast.linear import linear
from rl_coordconv.agents.fast.natures import POOLINGS, is_plain_nature, layers_of
from rl_coordconv.agents.fast.structure import is_pure
from rl_coordconv.layers import ZeroMeanConv2d
from rl_coordconv.layers.conv import ExtraChannelConv2d

MAX_PIXEL = 255.0
_CPU_CHUNK = {torch.float32: 64, torch.bfloat16: 256}
"""Images convolved at once on a CPU: in larger chunks the activations leave its caches, and their
memory goes back to the operating system after every use (measured, see docs/performance.md)."""


RolloutTorso = Callable[..., Tensor]
"""Takes images and, if activations are to be cached, a list that they are appended to."""


class Torso(Protocol):
    """Turns images into features: the fast counterpart of an extractor network."""

    n_cached: int
    """How many activations it can cache in a rollout and be given in the update."""
    copied: list[Tensor]
    """The parameters whose values `for_rollout` copies; all others it reads at every call."""

    def __call__(self, images: Tensor, cached: Activations | None = None) -> Tensor:
        """Return the features, differentiable: (N, channels, H, W) uint8 -> (N, features).

        Args:
            images: what is seen.
            cached: the activations that the same weights have computed for the same images.
        """

    def for_rollout(self) -> RolloutTorso:
        """Return the same function for the weights of one rollout, prepared once.

        It appends its activations to the cache that it is given.
        """


def make_torso(extractor: BaseFeaturesExtractor, dtype: torch.dtype, scale: float) -> Torso:
    """Find the fastest way to compute an extractor.

    Args:
        extractor: any features extractor of images.
        dtype: of the convolutions and the linear layer after them; features are float32, or
            float64 for float64.
        scale: what pixels are multiplied by first, 1/255 or 1.
    """
    if is_plain_nature(extractor):
        return NatureTorso(extractor, dtype, scale)
    return GenericTorso(extractor, dtype, scale)


@dataclass(frozen=True)
class _Convolution:
    weight: Tensor
    """(out, image channels, kernel, kernel), without the layer's own channels."""
    bias: Tensor | None
    extra: Tensor | None
    """(1, out, H', W'): what the layer's own channels, the bias and an embedding add to every
    image."""
    stride: tuple[int, int]

    def to(self, dtype: torch.dtype) -> _Convolution:
        weight = self.weight.to(dtype, memory_format=torch.channels_last)
        bias = None if self.bias is None else self.bias.to(dtype)
        extra = None if self.extra is None else self.extra.to(dtype)
        return _Convolution(weight, bias, extra, self.stride)


class NatureTorso:
    """NatureCNN, with or without coordinates, in one memory format and one precision throughout.

    The scale of the pixels is folded into the first weight; what coordinates and embeddings add is
    added as a map. Weights stay what they are and get their gradients in their own type.

    Args:
        extractor: for which `is_plain_nature` is true.
        dtype: of the activations.
        scale: of the pixels.
    """

    def __init__(self, extractor: Any, dtype: torch.dtype, scale: float) -> None:
        self._layers = layers_of(extractor.cnn)
        self._linear: nn.Linear = extractor.linear[0]
        last = extractor.cnn[-1]
        self._finish = last if isinstance(last, POOLINGS) else FlattenChannelsLast.apply
        self._dtype, self._scale = dtype, scale
        self.n_cached = len(self._layers)
        modules = [module for layer in self._layers for module in layer if module is not None]
        self.copied: list[Tensor] = [part for one in modules for part in one.parameters()]
        if self._linear.weight.dtype is not dtype:
            self.copied += [self._linear.weight, self._linear.bias]

    def __call__(self, images: Tensor, cached: Activations | None = None) -> Tensor:
        """Return the features, (N, features), differentiable in the extractor's parameters."""
        folded = self._fold(*images.shape[-2:])
        weight, bias = self._linear.weight.to(self._dtype), self._linear.bias.to(self._dtype)
        if cached is not None:
            flat_features = self._convolve_cached(images, self._cast(folded), cached)
            return _activate(flat_features, weight, bias)
        # Cast for each chunk anew, so that their gradients are summed in the weights' own type.
        flat = [self._convolve(part, self._cast(folded)) for part in self._chunks(images)]
        return _activate(flat[0] if len(flat) == 1 else torch.cat(flat), weight, bias)

    def for_rollout(self) -> RolloutTorso:
        """Cast all weights once, for a rollout: not differentiable."""
        with torch.no_grad():
            weight, bias = self._linear.weight.to(self._dtype), self._linear.bias.to(self._dtype)
        prepared: dict[torch.Size, list[_Convolution]] = {}

        @torch.no_grad()
        def features(images: Tensor, cache: Activations | None = None) -> Tensor:
            side = images.shape[-2:]
            if side not in prepared:
                prepared[side] = self._cast(self._fold(*side))
            return _activate(self._convolve(images, prepared[side], cache), weight, bias)

        return features

    def _chunks(self, images: Tensor) -> tuple[Tensor, ...]:
        if images.device.type != "cpu" or self._dtype not in _CPU_CHUNK:
            return (images,)
        return images.split(_CPU_CHUNK[self._dtype])

    def _cast(self, convolutions: list[_Convolution]) -> list[_Convolution]:
        return [convolution.to(self._dtype) for convolution in convolutions]

    def _fold(self, height: int, width: int) -> list[_Convolution]:
        folded = []
        for index, (layer, embedding) in enumerate(self._layers):
            weight, bias, extra = layer.weight, layer.bias, None
            if isinstance(layer, ExtraChannelConv2d):
                weight, extra = layer.decompose(height, width)
                bias = None
            elif isinstance(layer, ZeroMeanConv2d):
                weight, bias = layer.decompose()
            if embedding is not None:
                bias, extra = None, _add(embedding.map, extra, bias)
            if index == 0:
                weight = weight * self._scale
            stride = (layer.stride[0], layer.stride[1])
            folded.append(_Convolution(weight, bias, extra, stride))
            kernel = layer.kernel_size
            height = (height - kernel[0]) // stride[0] + 1
            width = (width - kernel[1]) // stride[1] + 1
        return folded

    def _convolve(
        self, images: Tensor, convolutions: list[_Convolution], cache: Activations | None = None
    ) -> Tensor:
        for index, part in enumerate(convolutions):
            convolve = Uint8Convolution.apply if index == 0 else functional.conv2d
            images = convolve(images, part.weight, part.bias, part.stride)
            images = images.relu_() if part.extra is None else relu_with_map(images, part.extra)
            if cache is not None:
                cache.append(images)
        flat: Tensor = self._finish(images)
        return flat

    def _convolve_cached(
        self, images: Tensor, convolutions: list[_Convolution], cached: Activations
    ) -> Tensor:
        """Return what `_convolve` does, from the activations that it has cached."""
        for part, output in zip(convolutions, cached, strict=True):
            images = CachedConvolution.apply(
                images, part.weight, part.bias, part.extra, output, part.stride
            )
        flat: Tensor = self._finish(images)
        return flat


def _add(embedding: Tensor, extra: Tensor | None, bias: Tensor | None) -> Tensor:
    """Return all that is added to every image as one map, (1, out, H', W')."""
    if extra is None:
        return embedding if bias is None else embedding + bias.view(1, -1, 1, 1)
    return embedding + extra


def _activate(flat: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    features = linear(flat, weight, bias).relu_()
    # Heads, losses and log-probabilities are never computed in bf16.
    return features.float() if features.dtype is torch.bfloat16 else features


class GenericTorso:
    """Any other extractor: called as it is, on scaled images, in bf16 under autocast.

    Only an extractor whose modules are all pure gets its images channels-last: another
    one may look at their layout (``.view(n, -1)``), or draw random numbers in its order. It gets
    stable-baselines3's: that of the environments where it acts, contiguous where it learns.

    Args:
        extractor: a features extractor of images.
        dtype: float32 or bfloat16, or float64 for weights of that type.
        scale: of the pixels.
    """

    n_cached = 0
    copied: list[Tensor] = []  # noqa: RUF012

    def __init__(self, extractor: nn.Module, dtype: torch.dtype, scale: float) -> None:
        self._extractor, self._dtype, self._scale = extractor, dtype, scale
        self._channels_last = is_pure(extractor)

    def __call__(self, images: Tensor, cached: Activations | None = None) -> Tensor:
        """Return the features, (N, features)."""
        return self._features(self._convert(images))

    def _features(self, pixels: Tensor) -> Tensor:
        if self._dtype is not torch.bfloat16:
            features: Tensor = self._extractor(pixels)
            return features
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16):
            features = self._extractor(pixels)
        return features.float()

    def _convert(self, images: Tensor) -> Tensor:
        dtype = torch.promote_types(self._dtype, torch.float32)
        if self._channels_last:
            floats = images.to(dtype, memory_format=torch.channels_last)
        else:
            # Not `contiguous`: of one channel it leaves strides that say "channels last" to torch.
            floats = torch.empty(images.shape, dtype=dtype, device=images.device).copy_(images)
        return self._scaled(floats)

    def _scaled(self, floats: Tensor) -> Tensor:
        return floats.div_(MAX_PIXEL) if self._scale != 1 else floats

    def for_rollout(self) -> RolloutTorso:
        """Return the same, not differentiable; unless it is pure, the images keep their layout."""
        if not self._channels_last:
            return self._for_rollout_as_given()
        return torch.no_grad()(lambda images, cache=None: self(images))

    def _for_rollout_as_given(self) -> RolloutTorso:
        dtype = torch.promote_types(self._dtype, torch.float32)

        @torch.no_grad()
        def features(images: Tensor, cache: Activations | None = None) -> Tensor:
            return self._features(self._scaled(images.to(dtype)))

        return features
