"""Dict observations: images through a chosen extractor, everything else flattened."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor
from torch import Tensor, nn

from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors.forms import ChoosesForm
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.registry import find_extractor, find_spec


@public
class CoordConvCombinedExtractor(ChoosesForm, CombinedExtractor):
    """stable-baselines3's `CombinedExtractor` with the images' network chosen by name.

    Example::

        PPO("MultiInputPolicy", env, policy_kwargs=extractor_policy_kwargs(
            "coordconv", observation_space=env.observation_space))

    which is ``features_extractor_class=CoordConvCombinedExtractor``,
    ``features_extractor_kwargs=dict(image_extractor="coordconv", image_options={})`` and
    ``net_arch=[]``, so that ``"cnn"`` and ``"placebo"`` are its controls.

    As in SB3, an image is what is uint8 in [0, 255] and has three sides, or, with
    ``normalize_images=False``, everything with three sides; other observations are flattened.

    Args:
        observation_space: a Dict of images and vectors.
        cnn_output_dim: features of each image, unless ``image_options`` say it; 256, as SB3's.
        normalized_image: set by stable-baselines3 from the policy's ``normalize_images``.
        image_extractor: an extractor's name, see `extractor_policy_kwargs`.
        image_options: that extractor's options.

    Shape:
        {key: (N, ...)} -> (N, sum of the images' ``cnn_output_dim`` and the vectors' lengths).

    Raises:
        UnknownNameError: no extractor has this name.
        InputError: the space is no Dict or has no image, or an image or an option is not allowed.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        cnn_output_dim: int = 256,
        normalized_image: bool = False,
        *,
        image_extractor: str = "coordconv",
        image_options: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(observation_space, spaces.Dict):
            raise InputError(
                f"CoordConvCombinedExtractor needs a Dict of observations, not {observation_space}"
            )
        options = dict(image_options or {})
        if "features_dim" in find_spec(image_extractor).options:
            options.setdefault("features_dim", cnn_output_dim)
        cls, kwargs = find_extractor(image_extractor, options)
        # As stable-baselines3, which tells it to its own NatureCNN and what descends from it.
        if "normalized_image" in inspect.signature(cls).parameters:
            kwargs["normalized_image"] = normalized_image
        # Its own networks are replaced by ours; built for an empty space it makes none.
        super().__init__(spaces.Dict({}), cnn_output_dim, normalized_image)
        self._observation_space = observation_space
        self.options = options
        parts: dict[str, nn.Module] = {}
        size, images = 0, 0
        for key, space in observation_space.spaces.items():
            if is_image_space(space, normalized_image=normalized_image):
                made = parts[key] = _make_image_extractor(key, space, cls, kwargs)
                size += made.features_dim
                images += 1
            else:
                parts[key] = nn.Flatten()
                size += get_flattened_obs_dim(space)
        if not images:
            raise InputError(
                f"none of the observations {sorted(observation_space.spaces)} is an image "
                "(uint8 in [0, 255], or any with normalize_images=False)"
            )
        self.extractors = nn.ModuleDict(parts)
        self._features_dim = size

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return the features of all observations side by side."""
        parts = [extractor(observations[key]) for key, extractor in self.extractors.items()]
        return torch.cat(parts, dim=1)


def _make_image_extractor(
    key: str, space: spaces.Space, cls: type[BaseFeaturesExtractor], kwargs: dict[str, Any]
) -> BaseFeaturesExtractor:
    try:
        return cls(space, **kwargs)
    except InputError as error:
        raise InputError(f"observation {key!r}: {error}") from None
