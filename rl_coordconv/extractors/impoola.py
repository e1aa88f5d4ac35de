"""Impoola: IMPALA's network with average pooling, with and without coordinates."""

from __future__ import annotations

from typing import Any

from rl_coordconv.extractors.forms import COORDINATE_OPTIONS, EVEN
from rl_coordconv.extractors.impala import ImpalaCNN
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.pooling import POOLED_CHOICES
from rl_coordconv.extractors.spec import ExtractorSpec, Role
from rl_coordconv.layers import ConstantConv2d


@public
class PlaceboImpalaCNN(ImpalaCNN):
    """`ImpalaCNN` with channels of ones in place of coordinates.

    As many parameters and no position in them but that of the border: IMPALA's convolutions pad
    with zeros, and so end the ones there. They end every other map there, too, so that all arms
    know of the border, this one by a shorter way.

    Args:
        observation_space: as `ImpalaCNN`, like all other arguments.
    """

    layer = ConstantConv2d


POOLED: dict[str, Any] = {"pooling": "mean", "width": 2}
"""What Trumpp et al. 2025 trained; stable-baselines3 initialises the weights its own way."""
WITH_COORDINATES: dict[str, Any] = {"where": "first", **EVEN, **POOLED}

_SHARED = ("features_dim", "width", "pooling", "embedding", "zero_mean")
_EXTRA = (*_SHARED, "where", *COORDINATE_OPTIONS)

SPECS = (
    ExtractorSpec(
        "impoola",
        ImpalaCNN,
        role=Role.BASELINE,
        preset=POOLED,
        options=_SHARED,
        choices=POOLED_CHOICES,
        colour="#1f4e79",
    ),
    ExtractorSpec(
        "impoola-coordconv",
        ImpalaCNN,
        control="impoola-placebo",
        preset=WITH_COORDINATES,
        options=_EXTRA,
        choices=POOLED_CHOICES,
        colour="#6aa84f",
    ),
    ExtractorSpec(
        "impoola-placebo",
        PlaceboImpalaCNN,
        role=Role.CONTROL,
        preset=WITH_COORDINATES,
        options=_EXTRA,
        choices=POOLED_CHOICES,
        colour="#8fa3b5",
        dashes=(0, (4, 1.5)),
    ),
)
"""What the names stand for."""
