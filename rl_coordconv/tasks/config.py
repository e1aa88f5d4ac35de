"""The resolved configuration of one training on a task, as plain data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from rl_coordconv._util.files import write_text
from rl_coordconv.tasks.recipe import DEFAULT, NO_SPLIT, Recipe

MAX_SEED = 2**32 - 1
"""What NumPy takes."""


class TaskConfig(BaseModel):
    """Everything that decides a training's outcome, with every default resolved."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: Literal[1] = 1
    task: str
    model: str
    split: str
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    recipe_name: str = DEFAULT
    recipe: SerializeAsAny[Recipe]
    """The recipe by that name, with what was changed of it."""

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits over the configuration."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The name of the run's directory: readable, and unique to the configuration."""
        split = () if self.split == NO_SPLIT else (self.split,)
        parts = (self.task, self.model, *split, f"seed{self.seed}", self.hash)
        return "-".join(parts)

    def save(self, path: Path) -> None:
        """Write the configuration as YAML."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))
