"""Operations on images that keep one layout and never hold a float copy of a whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rl_coordconv._util.torch_internals import convolution_backward, relu_backward
from rl_coordconv.agents.fast.space_to_depth import lower, restore_weight


class Uint8Convolution(torch.autograd.Function):
    """A convolution straight from uint8 images, without padding.

    The images are converted on the way in and again for the gradient, and kept as uint8 in
    between: the float copy that `torch.conv2d` would keep is two (bf16) or four (fp32) times as
    large. Whoever calls it folds the scale of 1/255 into the weight; 0 to 255 are exact in bf16.

    Shape:
        images (N, channels, H, W) uint8, weight (out, channels, kernel, kernel), bias (out,) or
        None, stride two integers -> (N, out, H', W') of the weight's type, channels last.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int]
    ) -> Tensor:
        """Convolve."""
        ctx.stride, ctx.weight_shape, ctx.has_bias = stride, weight.shape, bias is not None
        images, weight, ctx.lowered_stride = lower(images, weight, stride)
        ctx.save_for_backward(images, weight)
        return torch.conv2d(_convert(images, weight.dtype), weight, bias, ctx.lowered_stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of weight and bias; images have none."""
        images, weight = ctx.saved_tensors
        _, of_weight, of_bias = convolution_backward(
            gradients[0],
            _convert(images, weight.dtype),
            weight,
            ctx.lowered_stride,
            [False, True, ctx.has_bias],
        )
        assert of_weight is not None
        return None, restore_weight(of_weight, ctx.weight_shape, ctx.stride), of_bias, None


class CachedConvolution(torch.autograd.Function):
    """relu(convolution + map) whose output is cached: only the gradient is computed.

    Shape:
        images (N, channels, H, W) uint8 or of the weight's type, weight (out, channels, kernel,
        kernel), bias (out,) or None, extra (1, out, H', W') or None, output (N, out, H', W'),
        stride two integers -> output.
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        extra: Tensor | None,
        output: Tensor,
        stride: tuple[int, int],
    ) -> Tensor:
        """Return the output."""
        ctx.save_for_backward(images, weight, output)
        ctx.stride, ctx.has_bias, ctx.has_extra = stride, bias is not None, extra is not None
        return output.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of images (unless uint8), weight, bias and map."""
        images, weight, output = ctx.saved_tensors
        gradient = relu_backward(gradients[0], output)
        of_extra = _sum_over_batch(gradient) if ctx.has_extra else None
        shape, stride = weight.shape, ctx.stride
        if images.dtype is torch.uint8:
            images, weight, stride = lower(images, weight, stride)
        of_images, of_weight, of_bias = convolution_backward(
            gradient,
            _convert(images, weight.dtype),
            weight,
            stride,
            [ctx.needs_input_grad[0], True, ctx.has_bias],
        )
        assert of_weight is not None
        of_weight = restore_weight(of_weight, shape, ctx.stride)
        return of_images, of_weight, of_bias, of_extra, None, None


def _sum_over_batch(images: Tensor) -> Tensor:
    """Return the sum, (1, channels, H, W), of channels-last images; laid flat for speed."""
    count, channels, height, width = images.shape
    flat = images.permute(0, 2, 3, 1).reshape(count, -1).sum(0)
    return flat.view(1, height, width, channels).permute(0, 3, 1, 2)


def _convert(images: Tensor, dtype: torch.dtype) -> Tensor:
    return images.to(dtype, memory_format=torch.channels_last)


def relu_with_map(images: Tensor, extra: Tensor) -> Tensor:
    """Return relu(images + extra), where the map ``extra`` is the same for every image.

    Both are laid flat first: in two dimensions torch adds, and in the gradient sums over the
    batch, an order of magnitude faster than in four (measured on a CPU, channels last).

    Args:
        images: (N, channels, H, W), channels last.
        extra: (1, channels, H, W).
    """
    count, channels, height, width = images.shape
    flat = images.permute(0, 2, 3, 1).reshape(count, -1)
    flat = torch.relu_(flat + extra.permute(0, 2, 3, 1).reshape(1, -1))
    return flat.view(count, height, width, channels).permute(0, 3, 1, 2)


class FlattenChannelsLast(torch.autograd.Function):
    """Flatten channels-last images in the order of `nn.Flatten`; the gradient is channels-last too.

    Without this the gradient would arrive in another layout than the activations have, and every
    operation between them would be several times slower.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        """Return (N, channels * H * W)."""
        ctx.shape = images.shape
        return images.contiguous().flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient in the layout of the images."""
        return gradients[0].reshape(ctx.shape).contiguous(memory_format=torch.channels_last)
