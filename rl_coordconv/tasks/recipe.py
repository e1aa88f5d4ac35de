"""How a task is trained: the recipe that each of them extends, and the names that it goes by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DEFAULT = "default"
"""The name of the recipe that is taken where none is asked for; every model has one."""
NO_SPLIT = "all"
"""The split's name in tasks that have one way only to part train from test."""

Results = Mapping[str, float | int | bool | None]
"""What a training ends with, by name, for ``results.json``; None where there is no number."""

LARGEST = 1e6
"""Of a recipe's factors; beyond it single precision keeps nothing of what they multiply."""


class Recipe(BaseModel):
    """How to train; each task adds what it needs. Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    """Passes over the training set."""
    batch_size: Annotated[int, Field(ge=1, le=100_000)]
    learning_rate: Annotated[float, Field(gt=0, le=LARGEST)]
