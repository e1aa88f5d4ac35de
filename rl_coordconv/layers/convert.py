"""Turn an existing network's convolutions into CoordConv layers that compute the same at first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from rl_coordconv._util.errors import InputError, closest
from rl_coordconv._util.torch_internals import seems_hooked
from rl_coordconv.layers.checks import ExtraScale
from rl_coordconv.layers.conv import CoordConv2d
from rl_coordconv.layers.names import public
from rl_coordconv.layers.separate import copy_plain_
from rl_coordconv.layers.weights import zero_coordinate_weights_
from rl_coordconv.layers.zero_mean import ZeroMeanConv2d

Where = Literal["first", "last", "all"]


@public
def convert_to_coordconv(
    module: nn.Module,
    where: Where = "first",
    with_r: bool = False,
    coordinate_scale: ExtraScale = 1.0,
) -> nn.Module:
    """Replace a network's `nn.Conv2d` layers by `CoordConv2d`, weights kept, coordinates at zero.

    The converted network computes exactly what it did; its coordinate weights are zero and learn
    from there. A layer that is used in several places stays one layer, so that the policies of
    stable-baselines3, which name one extractor three times, can be converted too.

    An optimiser made before holds the old weights: make a new one afterwards. For an SB3 model::

        convert_to_coordconv(model.policy)
        model.policy.optimizer = model.policy.optimizer_class(
            model.policy.parameters(), lr=model.lr_schedule(1), **model.policy.optimizer_kwargs
        )

    Args:
        module: the network; it is changed in place.
        where: ``"first"`` or ``"last"`` for that convolution in the order of registration (the
            order of ``module.modules()``, which is not always the order of computation), or
            ``"all"``.
        with_r: whether the new layers also see the distance from the centre.
        coordinate_scale: as `CoordConv2d`; ``"kernel"`` before learning with Adam or RMSprop.

    Returns:
        The network; where it is itself a single `nn.Conv2d`, the layer that replaces it.

    Raises:
        InputError: an unknown ``where``, a ``coordinate_scale`` that is not possible, no
            convolution to convert, or one that cannot be: with groups, with lazy or parametrised
            weights, or a subclass with behaviour of its own. Nothing is changed then.
    """
    allowed = get_args(Where)
    if where not in allowed:
        nearest = closest(str(where), allowed, most=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        names = ", ".join(map(repr, allowed))
        raise InputError(f"unknown where={where!r}{hint} (allowed: {names})")
    found = list(_convolutions(module))
    chosen = {"first": found[:1], "last": found[-1:], "all": found}[where]
    if not chosen:
        raise InputError(f"{type(module).__name__} has no nn.Conv2d to convert")
    for name, layer in chosen:
        _check_convertible(name, layer)
    replacements = {id(layer): _converted(layer, with_r, coordinate_scale) for _, layer in chosen}
    if id(module) in replacements:
        return replacements[id(module)]
    # One layer may stand in several places.
    for path, child in list(module.named_modules(remove_duplicate=False)):
        if id(child) in replacements:
            parent, _, name = path.rpartition(".")
            setattr(module.get_submodule(parent), name, replacements[id(child)])
    return module


def _convolutions(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and not isinstance(layer, CoordConv2d):
            yield name or "the module itself", layer


def _check_convertible(name: str, layer: nn.Conv2d) -> None:
    reason = None
    if isinstance(layer, LazyModuleMixin):
        reason = f"it is a {type(layer).__name__} without weights yet; run the network once first"
    elif parametrize.is_parametrized(layer):
        reason = "its weight is parametrised; remove the parametrisation first"
    elif seems_hooked(layer):
        reason = "it has hooks (weight_norm and spectral_norm are such); remove them first"
    elif type(layer) not in (nn.Conv2d, ZeroMeanConv2d):
        reason = f"it is a {type(layer).__name__}, whose own behaviour would be lost"
    elif layer.groups != 1:
        reason = f"it has groups={layer.groups}, and only groups=1 is possible"
    if reason:
        raise InputError(f"layer {name!r} cannot be converted: {reason}")


def _converted(layer: nn.Conv2d, with_r: bool, coordinate_scale: ExtraScale) -> CoordConv2d:
    new = CoordConv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.dilation,  # type: ignore[arg-type]
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
        with_r=with_r,
        coordinate_init="zero",
        coordinate_scale=coordinate_scale,
        zero_mean=isinstance(layer, ZeroMeanConv2d),
        device=layer.weight.device,
        dtype=layer.weight.dtype,
    )
    zero_coordinate_weights_(new)
    copy_plain_(new, layer)
    if _is_channels_last(layer.weight):
        new.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    new.weight.requires_grad_(layer.weight.requires_grad)
    if layer.bias is not None and new.bias is not None:
        new.bias.requires_grad_(layer.bias.requires_grad)
    return new.train(layer.training)


def _is_channels_last(weight: torch.Tensor) -> bool:
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
