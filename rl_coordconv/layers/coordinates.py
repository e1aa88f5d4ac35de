"""The coordinate channels of CoordConv.

Source: Liu et al., "An intriguing failing of convolutional neural networks and the CoordConv
solution", NeurIPS 2018, section 3 and figure 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rl_coordconv.layers.names import public


@public
def coordinate_channels(
    height: int,
    width: int,
    with_r: bool = False,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the channels x, y and, if asked for, r.

    x runs along the width and y along the height, each from -1 to 1 with both ends included,
    whatever the aspect ratio; a side of length 1 gives 0. r = sqrt(x^2 + y^2) is the distance from
    the centre. (The listing in the paper's supplement computes r from x - 0.5 and y - 0.5 though
    its coordinates run from -1 to 1, so that its r is off-centre; this one is not.)

    Args:
        height: rows.
        width: columns.
        with_r: whether to add r.
        device: as for `torch.zeros`.
        dtype: a floating type; computed in at least float32 and then rounded to it.

    Returns:
        (1, 2 or 3, height, width).
    """
    wanted = dtype or torch.get_default_dtype()
    exact = torch.float64 if wanted == torch.float64 else torch.float32
    x = _axis(width, device, exact).view(1, 1, 1, width).expand(1, 1, height, width)
    y = _axis(height, device, exact).view(1, 1, height, 1).expand(1, 1, height, width)
    channels = [x, y]
    if with_r:
        channels.append(torch.sqrt(x * x + y * y))
    return torch.cat(channels, dim=1).to(wanted)


def _axis(length: int, device: torch.device | str | None, dtype: torch.dtype) -> Tensor:
    position = torch.arange(length, device=device, dtype=dtype)
    # 2 i - (n - 1) is exact and symmetric, so both ends are exactly -1 and 1.
    return (2 * position - (length - 1)) / max(length - 1, 1)


@public
class AddCoords(nn.Module):
    """Append the coordinate channels to an image.

    Shape:
        (N, C, H, W) -> (N, C + 2, H, W), or (C, H, W) -> (C + 2, H, W); C + 3 with r. The
        coordinates take the image's type and device, and the result its memory format.

    Args:
        with_r: whether to add the distance from the centre.
    """

    def __init__(self, with_r: bool = False) -> None:
        super().__init__()
        self.with_r = with_r

    def forward(self, image: Tensor) -> Tensor:
        """Return the image with its coordinates."""
        if image.dim() not in (3, 4):
            raise ValueError(
                f"an image of shape (N, C, H, W) or (C, H, W) is needed, not {tuple(image.shape)}"
            )
        height, width = image.shape[-2:]
        coordinates = coordinate_channels(
            height, width, self.with_r, device=image.device, dtype=image.dtype
        )
        if image.dim() == 3:
            return torch.cat((image, coordinates[0]), dim=0)
        joined = torch.cat((image, coordinates.expand(image.shape[0], -1, -1, -1)), dim=1)
        if image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous():
            joined = joined.contiguous(memory_format=torch.channels_last)
        return joined

    def extra_repr(self) -> str:
        """Return what ``repr`` shows."""
        return f"with_r={self.with_r}"
