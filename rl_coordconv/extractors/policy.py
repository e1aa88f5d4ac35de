"""A ready policy class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from stable_baselines3.common.policies import ActorCriticCnnPolicy
from stable_baselines3.common.type_aliases import Schedule

from rl_coordconv.extractors.forms import EVEN, ChoosesForm
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.nature import CoordConvCNN


@public
class CoordConvCnnPolicy(ChoosesForm, ActorCriticCnnPolicy):
    """stable-baselines3's ``CnnPolicy`` for A2C and PPO with `CoordConvCNN` in NatureCNN's place.

    ``PPO(CoordConvCnnPolicy, env)``, or in RL Zoo's YAML
    ``policy: rl_coordconv.extractors.CoordConvCnnPolicy``. No hidden layers follow the extractor,
    as none follow NatureCNN. Coordinates are scaled and initialised as by the name ``coordconv``
    (see `extractor_policy_kwargs`), unless ``features_extractor_kwargs`` say otherwise. For DQN,
    QR-DQN, RecurrentPPO and MaskablePPO pass `extractor_policy_kwargs` to their own ``CnnPolicy``.

    Args:
        observation_space: images.
        action_space: any that SB3's policy takes.
        lr_schedule: given by the algorithm.
        net_arch: layers after the extractor; none by default.
        **kwargs: as `ActorCriticCnnPolicy`; ``features_extractor_kwargs`` go to `CoordConvCNN`.
    """

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        lr_schedule: Schedule,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("features_extractor_class", CoordConvCNN)
        options = kwargs.get("features_extractor_kwargs") or {}
        if kwargs["features_extractor_class"] is CoordConvCNN:
            kwargs["features_extractor_kwargs"] = EVEN | options
        layers = [] if net_arch is None else net_arch
        super().__init__(observation_space, action_space, lr_schedule, layers, **kwargs)
        self.options = options

    def take_form(self, form: Mapping[str, Any]) -> None:
        """Scale the coordinates as a form has them, and say so wherever the policy is saved."""
        super().take_form(form)
        self.features_extractor_kwargs = {**form, **self.options}

    def _get_constructor_parameters(self) -> dict[str, Any]:
        # SB3 forgets this one, and a policy saved by itself would load with another architecture.
        parameters = super()._get_constructor_parameters()
        return parameters | {"share_features_extractor": self.share_features_extractor}
