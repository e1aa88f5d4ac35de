"""The coordinate channels of CoordConv.

Source: Liu et al., "An intriguing failing of convolutional neural networks and the CoordConv
solution", NeurIPS 2018, section 3 and figure 3.
"""

# No postponed annotations here: torch.fx writes those of `forward` into its graphs as they are.

import torch
from torch import Tensor, nn

from rl_coordconv.layers.functional import append_coordinates, coordinates
from rl_coordconv.layers.names import public

# A call in `forward` becomes one node of a graph; the name has to be known where it is called.
torch.fx.wrap("append_coordinates")


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
    place = torch.get_default_device() if device is None else torch.device(device)
    return coordinates(height, width, with_r, place, dtype or torch.get_default_dtype())


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
        if not torch.jit.is_scripting():
            is_known = isinstance(image, Tensor) and not torch.jit.is_tracing()
            if is_known and image.dim() not in (3, 4):
                raise ValueError(
                    "an image of shape (N, C, H, W) or (C, H, W) is needed, not "
                    f"{tuple(image.shape)}"
                )
        return append_coordinates(image, self.with_r)

    def extra_repr(self) -> str:
        """Return what ``repr`` shows."""
        return f"with_r={self.with_r}"
