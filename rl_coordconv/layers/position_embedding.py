"""Position embeddings: maps of numbers, the same for every image, that are added to its maps."""

# No postponed annotations here: torch.fx writes those of `forward` into its graphs as they are.

import torch
from torch import Tensor, nn

from rl_coordconv.layers.names import public

SLOWEST = 10_000.0
"""How many times as long as the first waves the last ones would be, were there one more."""


@public
class PositionEmbedding(nn.Module):
    """Adds a learnt number to every place of every map; they begin at zero.

    With them at zero the network computes what it does without, and unlike random ones they are
    the same for every seed.

    Args:
        channels: of the maps.
        height: of the maps; others do not fit later.
        width: of the maps.

    Shape:
        (N, channels, height, width) -> the same.

    Source:
        Gehring et al. 2017 (arXiv 1705.03122), section 3.1, for sequences; Dosovitskiy et al. 2021
        (arXiv 2010.11929), for images.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.zeros(1, channels, height, width))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps with the embedding added."""
        return maps + self.map

    def extra_repr(self) -> str:
        """Return what ``repr`` shows."""
        return ", ".join(map(str, self.map.shape[1:]))


@public
class SinusoidalEmbedding(nn.Module):
    """Adds fixed waves of x and y to the maps, as Impoola's code has them.

    Channel c, if even, gets the sine of x / 10000^(c / channels), the next one the cosine of y by
    the same number; x and y count pixels of the maps from 0. The waves are moved from [-1, 1] to
    [0, 0.1]. They are no parameters and stand in no state_dict.

    Args:
        channels: as `PositionEmbedding`, like the arguments that follow.
        height: see there.
        width: see there.

    Shape:
        (N, channels, height, width) -> the same.

    Source:
        Trumpp et al. 2025 (arXiv 2503.05546), whose code adds them to what enters its first, its
        last or all of its stages; the waves are Vaswani et al.'s (2017, arXiv 1706.03762), section
        3.5, in two dimensions.
    """

    map: Tensor

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("map", sinusoids(channels, height, width), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps with the waves added."""
        return maps + self.map

    def extra_repr(self) -> str:
        """Return what ``repr`` shows."""
        return ", ".join(map(str, self.map.shape[1:]))


def sinusoids(channels: int, height: int, width: int) -> Tensor:
    """Return what `SinusoidalEmbedding` adds, (1, channels, height, width)."""
    channel = torch.arange(channels).view(-1, 1, 1)
    is_even = channel % 2 == 0
    slowness = SLOWEST ** ((channel - channel % 2) / channels)
    x = torch.arange(width).expand(1, height, width)
    y = torch.arange(height).view(1, -1, 1).expand(1, height, width)
    waves = torch.where(is_even, torch.sin(x / slowness), torch.cos(y / slowness))
    return 0.05 * (waves + 1).unsqueeze(0)
