"""NatureCNN without its flattening: pooled arms, and other ways to keep the place.

What they are built of is `PooledCNN`, `CoordConvCNN` and `PlaceboCNN`; here stand their names.
"""

from __future__ import annotations

from typing import Any

from rl_coordconv.extractors.forms import COORDINATE_OPTIONS, EVEN
from rl_coordconv.extractors.nature import CoordConvCNN, PlaceboCNN, PooledCNN
from rl_coordconv.extractors.pooling import POOLED_CHOICES
from rl_coordconv.extractors.spec import ExtractorSpec, Role

POOLED: dict[str, Any] = {"pooling": "max"}
"""On Aim, with coordinates, the maximum hit 99 % after 20,000 shots and the mean 74 %
(docs/position-in-rl)."""
WITH_COORDINATES: dict[str, Any] = {"where": "first", **EVEN, **POOLED}

_SHARED = ("features_dim", "pooling", "zero_mean")
_EXTRA = (*_SHARED, "where", *COORDINATE_OPTIONS)

SPECS = (
    ExtractorSpec(
        "cnn-pool",
        PooledCNN,
        role=Role.BASELINE,
        preset=POOLED,
        options=_SHARED,
        choices=POOLED_CHOICES,
        colour="#1b6e8c",
    ),
    ExtractorSpec(
        "coordconv-pool",
        CoordConvCNN,
        control="placebo-pool",
        preset=WITH_COORDINATES,
        options=_EXTRA,
        choices=POOLED_CHOICES,
        colour="#c2185b",
    ),
    ExtractorSpec(
        "placebo-pool",
        PlaceboCNN,
        role=Role.CONTROL,
        preset=WITH_COORDINATES,
        options=_EXTRA,
        choices=POOLED_CHOICES,
        colour="#a8a29e",
        dashes=(0, (4, 1.5)),
    ),
    ExtractorSpec(
        "spatial-softmax",
        PooledCNN,
        fixed={"pooling": "softmax"},
        options=("features_dim", "zero_mean"),
        colour="#4a8c2a",
    ),
    ExtractorSpec(
        "pool-embedding",
        PooledCNN,
        fixed={"embedding": "learned"},
        preset=POOLED,
        options=_SHARED,
        choices=POOLED_CHOICES,
        colour="#7b4fa3",
    ),
    ExtractorSpec(
        "pool-sinusoids",
        PooledCNN,
        fixed={"embedding": "sinusoids"},
        preset=POOLED,
        options=_SHARED,
        choices=POOLED_CHOICES,
        colour="#b07cc6",
    ),
)
"""What the names stand for."""
