"""The two forms of coordinates, and which of them saved weights were trained with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from rl_coordconv.layers.weights import extra_channel_layers

EVEN: dict[str, Any] = {"coordinate_scale": "kernel", "coordinate_init": "separate"}
"""Coordinates learn as fast as a bias, and begin beside an image part that they do not shrink."""
AS_PUBLISHED: dict[str, Any] = {"coordinate_scale": 1.0, "coordinate_init": "default"}
"""As Liu et al. describe the layer, and what every name and class meant at first."""

COORDINATE_OPTIONS = ("with_r", "coordinate_init", "coordinate_scale")
"""The options of every extractor with extra channels."""

_STATE_VERSION = 2
"""Of modules that chose `AS_PUBLISHED` by default and choose `EVEN` now; torch's own is 1."""


class ChoosesForm(nn.Module):
    """A network whose builder need not say which form its coordinates have; saved weights do.

    torch notes a module's version beside its weights. Those of the first version were trained with
    `AS_PUBLISHED`: the network takes that form, and is of that version itself when it is saved.
    """

    _version = _STATE_VERSION
    options: Mapping[str, Any]
    """What the builder asked for; a form among it stands."""

    def take_form(self, form: Mapping[str, Any]) -> None:
        """Scale the coordinates as a form has them."""
        for layer in extra_channel_layers(self).values():
            is_kernel = form["coordinate_scale"] == "kernel"
            layer.coordinate_scale = 1 / math.prod(layer.kernel_size) if is_kernel else 1.0

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        form = {1: AS_PUBLISHED, _STATE_VERSION: EVEN}.get(local_metadata.get("version", 0))
        if form is not None and "coordinate_scale" not in self.options:
            self._version = local_metadata["version"]
            self.take_form(form)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)
