"""Linear layers in fp32 on the CPU through oneDNN.

torch hands fp32 matrix products to MKL, which reaches half of oneDNN's rate on AMD's processors
(100 against 220 GFLOP/s on a Zen 5 core for NatureCNN's linear layer). bf16 goes to oneDNN anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from rl_coordconv._util import torch_internals
from rl_coordconv._util.torch_internals import onednn_linear


def linear(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``features @ weight.T + bias``, by the fastest way there is for the type and device.

    Args:
        features: (N, in).
        weight: (out, in).
        bias: (out,) or None.
    """
    is_fp32_on_cpu = features.device.type == "cpu" and features.dtype is torch.float32
    if is_fp32_on_cpu and torch_internals.HAS_ONEDNN_LINEAR:
        output: Tensor = _OneDnnLinear.apply(features, weight, bias)
        return output
    return functional.linear(features, weight, bias)


class _OneDnnLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.has_bias = bias is not None
        return onednn_linear(features.contiguous(), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        feature_gradient = onednn_linear(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        weight_gradient = onednn_linear(gradient.t().contiguous(), features.t().contiguous())
        return feature_gradient, weight_gradient, gradient.sum(0) if ctx.has_bias else None
