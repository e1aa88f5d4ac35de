"""Spatial softmax: where each map sees what it looks for, as a point."""

# No postponed annotations here: torch.fx writes those of `forward` into its graphs as they are.

import torch
from torch import Tensor, nn

from rl_coordconv.layers.functional import axis
from rl_coordconv.layers.names import public

# A call in `forward` becomes one node of a graph; the name has to be known where it is called.
torch.fx.wrap("expected_coordinates")


@torch.jit.script_if_tracing
def expected_coordinates(maps: Tensor, log_temperature: Tensor) -> Tensor:
    """Return the mean place of each map under a softmax over its places.

    Args:
        maps: (N, channels, H, W).
        log_temperature: (), the logarithm of what the maps are divided by first.

    Returns:
        (N, 2 * channels), the maps' x and then their y, from -1 to 1 as `coordinate_channels`.
    """
    height, width = maps.shape[-2], maps.shape[-1]
    is_double = maps.dtype == torch.float64
    exact = torch.float64 if is_double else torch.float32  # shares of 16 bits would not sum to 1
    # Channels last, as convolutions leave them where it is fast: then nothing is copied.
    places = maps.permute(0, 2, 3, 1).flatten(1, 2).to(exact)
    shares = torch.softmax(places * torch.exp(-log_temperature), 1)
    shares = shares.view(-1, height, width, maps.shape[1])
    # Products and sums, not a matrix product, which autocast would round to 16 bits.
    x = (shares.sum(1) * axis(width, maps.device, exact).view(1, width, 1)).sum(1)
    y = (shares.sum(2) * axis(height, maps.device, exact).view(1, height, 1)).sum(1)
    return torch.cat((x, y), 1).to(maps.dtype)


@public
class SpatialSoftmax(nn.Module):
    """The expected coordinates of every map: where it is brightest, as two numbers.

    The values of a map, divided by a temperature, go through a softmax over its places; the
    result are the mean x and the mean y under these shares. Of *how much* a map sees nothing is
    left: one that is even gives the centre, as one that sees something there does.

    The temperature is learnt, one for all maps; it begins at 1, and what is learnt is its
    logarithm, so that it stays positive. Any input size works at run time.

    Shape:
        (N, channels, H, W) -> (N, 2 * channels): the maps' x, then their y, each from -1 to 1.

    Source:
        Levine et al. 2016, "End-to-End Training of Deep Visuomotor Policies" (JMLR 17:39), section
        5.1; the learnt temperature is Finn et al.'s (2016, "Deep Spatial Autoencoders for
        Visuomotor Learning", arXiv 1509.06113).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the expected coordinates."""
        return expected_coordinates(maps, self.log_temperature)
