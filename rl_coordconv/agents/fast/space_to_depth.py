"""Space to depth: a strided convolution of few channels as one of many channels without a stride.

A convolution whose kernel is a multiple of its stride sees its input in blocks of stride x stride
pixels. Written as the channels of one position, a block fills the tiles of a CPU that multiplies
matrices (AMX), which the three or four channels of an image leave mostly empty. On other CPUs and
in fp32 it was no faster (docs/performance.md).
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from rl_coordconv.machine.hardware import cpu_flags

_MOST_CHANNELS = 8
"""From 16 channels on they fill a vector by themselves, and rearranging them only costs."""
_FEWEST_IMAGES = 32
"""For the handful that an agent acts on, rearranging costs more than it saves."""
_ELEMENT_OF = {16: torch.complex128, 8: torch.int64, 4: torch.int32}
"""A type as large as a row of a block, in bytes: copied as one element, not pixel by pixel."""


def lower(
    images: Tensor, weight: Tensor, stride: tuple[int, int]
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return a convolution without padding as another one with the same output, or as it is.

    Args:
        images: (N, channels, H, W) uint8.
        weight: (out, channels, kernel, kernel).
        stride: of the rows and columns.

    Returns:
        Images, weight and stride.
    """
    if not _serves(images, weight, stride):
        return images, weight, stride
    return (
        images_to_depth(images, weight.shape[2:], stride),
        weight_to_depth(weight, stride),
        (1, 1),
    )


def restore_weight(gradient: Tensor, shape: torch.Size, stride: tuple[int, int]) -> Tensor:
    """Return the gradient of the weight that `lower` was given, from that of the one it returned.

    Args:
        gradient: of the latter.
        shape: of the former.
        stride: that `lower` was given.
    """
    if gradient.shape == shape:
        return gradient
    return weight_from_depth(gradient, shape[1], stride)


def _serves(images: Tensor, weight: Tensor, stride: tuple[int, int]) -> bool:
    # Where it was measured to be faster.
    return (
        images.device.type == "cpu"
        and _has_tiles()
        and weight.dtype is torch.bfloat16
        and len(images) >= _FEWEST_IMAGES
        and images.shape[1] <= _MOST_CHANNELS
        and min(stride) > 1
        and all(kernel % step == 0 for kernel, step in zip(weight.shape[2:], stride, strict=True))
    )


@functools.cache
def _has_tiles() -> bool:
    return "amx_bf16" in cpu_flags()


def images_to_depth(images: Tensor, kernel: torch.Size, stride: tuple[int, int]) -> Tensor:
    """Rearrange images, without rows and columns that no kernel reaches.

    Shape:
        images (N, channels, H, W) uint8 -> (N, rows * columns * channels, H', W') channels last,
        where rows and columns are the stride's.
    """
    pixels = images.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    for axis, (size, step) in enumerate(zip(kernel, stride, strict=True), start=1):
        reached = (pixels.shape[axis] - size) // step * step + size
        pixels = pixels.narrow(axis, 0, reached)
    count, height, width, channels = pixels.shape
    rows, columns = stride
    blocks = pixels.unflatten(2, (width // columns, columns)).flatten(3)
    blocks = blocks.unflatten(1, (height // rows, rows))
    element = _ELEMENT_OF.get(columns * channels)
    if element is not None and _may_view(blocks, element):
        blocks = blocks.view(element)
    blocks = blocks.transpose(2, 3).contiguous().view(torch.uint8)
    return blocks.view(count, height // rows, width // columns, -1).permute(0, 3, 1, 2)


def _may_view(blocks: Tensor, element: torch.dtype) -> bool:
    size = element.itemsize
    numbers = (blocks.storage_offset(), *blocks.stride()[:-1])
    return blocks.data_ptr() % size == 0 and all(number % size == 0 for number in numbers)


def weight_to_depth(weight: Tensor, stride: tuple[int, int]) -> Tensor:
    """Rearrange a weight like the images.

    Shape:
        (out, channels, kernel, kernel) -> (out, rows * columns * channels, kernel / rows, kernel /
        columns), channels last.
    """
    rows, columns = stride
    blocks = weight.unflatten(3, (-1, columns)).unflatten(2, (-1, rows))
    # (out, channels, vertical blocks, rows, horizontal blocks, columns)
    blocks = blocks.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)
    return blocks.contiguous(memory_format=torch.channels_last)


def weight_from_depth(gradient: Tensor, channels: int, stride: tuple[int, int]) -> Tensor:
    """Undo `weight_to_depth`, for a weight's gradient.

    Args:
        gradient: (out, rows * columns * channels, kernel / rows, kernel / columns).
        channels: of the images.
        stride: of the rows and columns.
    """
    blocks = gradient.unflatten(1, (*stride, channels))
    # (out, rows, columns, channels, vertical blocks, horizontal blocks)
    return blocks.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
