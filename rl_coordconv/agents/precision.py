"""The number format of the convolutional body: fp32, or bf16 under autocast.

Weights, heads, losses and the optimiser stay in float32 either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rl_coordconv.errors import InputError

PrecisionRequest = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class Precision:
    """The format chosen, and why, in words for the log and ``environment.json``."""

    name: Literal["fp32", "bf16"]
    reason: str


def choose_precision(request: PrecisionRequest, device: torch.device) -> Precision:
    """Decide the number format.

    Args:
        request: ``auto`` means fp32 until it is shown that learning is unharmed by bf16.
        device: where the network runs.

    Raises:
        InputError: bf16 was asked for where the hardware has no fast bf16.
    """
    if request == "auto":
        return Precision("fp32", "auto: fp32, the format of the published scores")
    if request == "bf16" and not has_fast_bf16(device):
        raise InputError(
            f"precision 'bf16' was asked for, but {device} has no bf16 arithmetic, where it would "
            "be many times slower than fp32 (allowed here: 'auto', 'fp32')"
        )
    return Precision(request, "asked for")


def has_fast_bf16(device: torch.device) -> bool:
    """Tell whether convolutions in bf16 run on hardware made for them."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def apply_precision(policy: nn.Module, precision: Precision) -> None:
    """Make a policy's features extractors compute in a format, with the channels stored last.

    Channels-last is the layout that oneDNN's and cuDNN's convolutions are fastest in; it changes
    no value beyond rounding. What is saved stays the same: only ``forward`` of this instance
    changes, no parameter.

    Args:
        policy: an SB3 actor-critic policy whose observations are images.
        precision: the format.
    """
    names = ("features_extractor", "pi_features_extractor", "vf_features_extractor")
    found = [getattr(policy, name) for name in names if hasattr(policy, name)]
    for extractor in {id(module): module for module in found}.values():
        _wrap_forward(extractor, precision)


def _wrap_forward(extractor: nn.Module, precision: Precision) -> None:
    plain_forward = extractor.forward

    def forward(observations: Tensor) -> Any:
        # observations: (N, C, H, W) float32 in [0, 1]
        images = observations.contiguous(memory_format=torch.channels_last)
        if precision.name == "fp32":
            return plain_forward(images)
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            return plain_forward(images).float()

    extractor.forward = forward
