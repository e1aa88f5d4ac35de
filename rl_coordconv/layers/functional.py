"""What the layers compute, as functions that each of torch's tools can take in one piece.

They are written in the part of Python that TorchScript compiles. `torch.fx` records a call of one
as one node, and `torch.jit.trace` compiles it, so that the size of the images stays free in both.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def coordinates(
    height: int, width: int, with_r: bool, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return x, y and, if asked for, r, (1, 2 or 3, height, width)."""
    is_double = dtype == torch.float64 or dtype == torch.complex128
    exact = torch.float64 if is_double else torch.float32
    x = axis(width, device, exact).view(1, 1, 1, width).expand(1, 1, height, width)
    y = axis(height, device, exact).view(1, 1, height, 1).expand(1, 1, height, width)
    channels = [x, y]
    if with_r:
        channels.append(torch.sqrt(x * x + y * y))
    return torch.cat(channels, dim=1).to(dtype)


def axis(length: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the coordinates along a side, (length,), -1 to 1; 0 for a single one."""
    position = torch.arange(length, device=device, dtype=dtype)
    # 2 i - (n - 1) is exact and symmetric, so both ends are exactly -1 and 1.
    return (2 * position - (length - 1)) / max(length - 1, 1)


@torch.jit.script_if_tracing
def append_coordinates(image: Tensor, with_r: bool) -> Tensor:
    """Return an image, (N, C, H, W) or (C, H, W), with its coordinates as its last channels."""
    channels = coordinates(image.shape[-2], image.shape[-1], with_r, image.device, image.dtype)
    if image.dim() == 3:
        return torch.cat((image, channels[0]), dim=0)
    joined = torch.cat((image, channels.expand(image.shape[0], -1, -1, -1)), dim=1)
    if image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous():
        joined = joined.contiguous(memory_format=torch.channels_last)
    return joined


def extra_channels(
    kind: str,
    with_r: bool,
    scale: float,
    height: int,
    width: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Return a layer's own input channels.

    Args:
        kind: ``"coordinates"``, or ``"ones"`` for as many channels of ones.
        with_r: whether there are three of them, not two.
        scale: what they are multiplied by.
        height: of the images.
        width: of the images.
        device: of the result.
        dtype: of the result.

    Returns:
        (1, 2 or 3, height, width).
    """
    if kind == "ones":
        count = 3 if with_r else 2
        extra = torch.ones([1, count, height, width], device=device, dtype=dtype)
    else:
        extra = coordinates(height, width, with_r, device, dtype)
    return extra if scale == 1.0 else extra * scale


def convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    border: list[int],
    dilation: list[int],
    padding_mode: str,
) -> Tensor:
    """Convolve as `torch.nn.Conv2d` does, for every padding and padding mode.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (out, C, kernel height, kernel width).
        bias: (out,).
        stride: vertical and horizontal.
        border: the padding's width on the left, on the right, at the top and at the bottom; those
            on the right and at the bottom are not the smaller ones.
        dilation: vertical and horizontal.
        padding_mode: as `torch.nn.Conv2d`.

    Returns:
        (N, out, H', W') or (out, H', W').
    """
    left, right, top, bottom = border
    padding = [top, left]
    if padding_mode != "zeros":
        input = F.pad(input, border, padding_mode)
        padding = [0, 0]
    elif left != right or top != bottom:
        input = F.pad(input, [0, right - left, 0, bottom - top])
    return F.conv2d(input, weight, bias, stride, padding, dilation)


@torch.jit.script_if_tracing
def conv2d_with_extra_channels(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    kind: str,
    with_r: bool,
    scale: float,
    stride: list[int],
    border: list[int],
    dilation: list[int],
    padding_mode: str,
) -> Tensor:
    """Convolve images as if extra channels had been appended to them.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (out, C + 2 or 3, kernel height, kernel width).
        bias: (out,).
        kind: as `extra_channels`, like the next two.
        with_r: see there.
        scale: see there.
        stride: as `convolve`, like the next three.
        border: see there.
        dilation: see there.
        padding_mode: see there.

    Returns:
        (N, out, H', W') or (out, H', W').
    """
    count = 3 if with_r else 2
    image_weight = weight[:, :-count]
    output = convolve(input, image_weight, None, stride, border, dilation, padding_mode)
    height, width = input.shape[-2], input.shape[-1]
    extra = extra_channels(kind, with_r, scale, height, width, input.device, input.dtype)
    added = convolve(extra, weight[:, -count:], bias, stride, border, dilation, padding_mode)
    # Not in place: under vmap over the bias alone this has a dimension that the output has not.
    return output + (added[0] if input.dim() == 3 else added)
