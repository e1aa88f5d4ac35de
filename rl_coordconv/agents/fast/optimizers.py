"""One optimiser step, without the passes over memory that torch's default makes on a CPU."""

from __future__ import annotations

from typing import Any

import torch

_FUSABLE = (torch.optim.Adam, torch.optim.AdamW)


def step(optimizer: torch.optim.Optimizer) -> None:
    """Take a step; with Adam, by torch's fused kernel, which reads every number once.

    The choice is made for this step alone: what `optimizer.state_dict()` says stays what the
    user chose, and loads anywhere.
    """
    if not _may_fuse(optimizer):
        optimizer.step()
        return
    before = [group["fused"] for group in optimizer.param_groups]
    try:
        for group in optimizer.param_groups:
            group["fused"] = True
        optimizer.step()
    finally:
        for group, fused in zip(optimizer.param_groups, before, strict=True):
            group["fused"] = fused


def _may_fuse(optimizer: torch.optim.Optimizer) -> bool:
    if type(optimizer) not in _FUSABLE:
        return False
    return all(_is_plain(group) for group in optimizer.param_groups)


def _is_plain(group: dict[str, Any]) -> bool:
    # Whoever asked for one of these gets it.
    if any(group[name] for name in ("fused", "foreach", "capturable", "differentiable")):
        return False
    return all(
        parameter.device.type in ("cpu", "cuda") and parameter.is_floating_point()
        for parameter in group["params"]
    )
