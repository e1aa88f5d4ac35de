"""One optimiser step, without the passes over memory that torch's default makes on a CPU."""

from __future__ import annotations

from typing import Any

import torch

from rl_coordconv._util.torch_internals import has_step_hooks

_FUSABLE = (torch.optim.Adam, torch.optim.AdamW)


def step(optimizer: torch.optim.Optimizer) -> None:
    """Take a step; with Adam, by torch's fused kernel, which reads every number once.

    The choice is made for this step alone: what `optimizer.state_dict()` says stays what the
    user chose, and loads anywhere.
    """
    if not _may_fuse(optimizer):
        optimizer.step()
        return
    bring_counters_to_parameters(optimizer)
    before = [group["fused"] for group in optimizer.param_groups]
    try:
        for group in optimizer.param_groups:
            group["fused"] = True
        optimizer.step()
    finally:
        for group, fused in zip(optimizer.param_groups, before, strict=True):
            group["fused"] = fused


def bring_counters_to_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Move Adam's step counters to the devices of their parameters, where the fused kernel reads.

    `load_state_dict` leaves them on the CPU unless the optimiser is fused for good.
    """
    for parameter, state in optimizer.state.items():
        counter = state.get("step")
        if isinstance(counter, torch.Tensor) and counter.device != parameter.device:
            state["step"] = counter.to(parameter.device, torch.float32)


def _may_fuse(optimizer: torch.optim.Optimizer) -> bool:
    if type(optimizer) not in _FUSABLE:
        return False
    # Whoever listens is not to see the choice.
    if has_step_hooks(optimizer):
        return False
    return all(_is_plain(group) for group in optimizer.param_groups)


def _is_plain(group: dict[str, Any]) -> bool:
    # Whoever asked for one of these gets it.
    if any(group.get(name) for name in ("fused", "foreach", "capturable", "differentiable")):
        return False
    if "fused" not in group or isinstance(group["lr"], torch.Tensor):
        return False
    return all(_is_fusable(parameter) for parameter in group["params"])


def _is_fusable(parameter: torch.Tensor) -> bool:
    if parameter.device.type not in ("cpu", "cuda") or not parameter.is_floating_point():
        return False
    gradient = parameter.grad
    if gradient is None:
        return True
    # The kernel pairs numbers by their offsets in memory, whatever the strides say.
    return gradient.dtype is parameter.dtype and gradient.stride() == parameter.stride()
