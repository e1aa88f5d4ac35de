"""Extractors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN

from rl_coordconv.errors import InputError, closest, unknown_name
from rl_coordconv.extractors.arguments import check_arguments
from rl_coordconv.extractors.impala import ImpalaCNN
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.nature import CoordConvCNN, PlaceboCNN, PooledCNN

_SHARED = ("features_dim", "pooling")
_COORDINATES = ("with_r", "coordinate_init", "coordinate_scale")


@dataclass(frozen=True)
class Extractor:
    """What a name stands for.

    Attributes:
        cls: the features extractor's class.
        fixed: arguments that make the name what it is.
        options: the names of the arguments that are free.
        flattened: the class where ``pooling`` is ``"flatten"``, which is not told to it; None for
            the same one.
    """

    cls: type[BaseFeaturesExtractor]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = _SHARED + _COORDINATES
    flattened: type[BaseFeaturesExtractor] | None = None

    def choose(self, options: Mapping[str, Any]) -> tuple[type[BaseFeaturesExtractor], dict]:
        """Return the class for these options, and its arguments."""
        kwargs = {**self.fixed, **options}
        if self.flattened is None or kwargs.get("pooling", "flatten") != "flatten":
            return self.cls, kwargs
        kwargs.pop("pooling", None)
        return self.flattened, kwargs


EXTRACTORS: dict[str, Extractor] = {
    # The vanilla arm is stable-baselines3's own class wherever that can do what is asked.
    "cnn": Extractor(PooledCNN, options=_SHARED, flattened=NatureCNN),
    "coordconv": Extractor(CoordConvCNN, {"where": "first"}),
    "coordconv-all": Extractor(CoordConvCNN, {"where": "all"}),
    "placebo": Extractor(PlaceboCNN, {"where": "first"}),
    "impala": Extractor(ImpalaCNN, options=_SHARED),
    "impala-coordconv": Extractor(ImpalaCNN, {"where": "first"}),
}
"""Every extractor by its name."""


def find_extractor(
    name: str, options: Mapping[str, Any]
) -> tuple[type[BaseFeaturesExtractor], dict[str, Any]]:
    """Return an extractor's class and its arguments: what the name fixes, and the options.

    Raises:
        UnknownNameError: no extractor has this name.
        InputError: an option that it does not have, or a value that is not allowed.
    """
    if not isinstance(name, str) or name not in EXTRACTORS:
        raise unknown_name("extractor", name, EXTRACTORS)
    extractor = EXTRACTORS[name]
    for option, value in options.items():
        _check_option(name, extractor, option, value)
    return extractor.choose(options)


@public
def extractor_policy_kwargs(name: str, **options: Any) -> dict[str, Any]:
    """Return the ``policy_kwargs`` that give a stable-baselines3 agent an extractor.

    ``net_arch`` is empty in every arm: SB3 otherwise follows every extractor but its own NatureCNN
    with two hidden layers of 64 units, and a comparison would compare those.

    Example::

        PPO("CnnPolicy", env, policy_kwargs=extractor_policy_kwargs("coordconv"))

    Args:
        name: ``cnn`` (SB3's NatureCNN), ``coordconv``, ``coordconv-all``, ``placebo``, ``impala``
            or ``impala-coordconv``.
        **options: ``features_dim`` (an integer), ``pooling`` (``"flatten"``, ``"mean"`` or
            ``"max"``, see `PooledCNN`) and, where there are extra channels, ``with_r``
            (also the distance from the centre), ``coordinate_init`` (``"default"``, or ``"zero"``
            to begin as the plain network) and ``coordinate_scale`` (1.0, or ``"kernel"``, see
            `CoordConvCNN`).

    Returns:
        A new dictionary, for every policy of stable-baselines3 and sb3-contrib that takes images.

    Raises:
        UnknownNameError: no extractor has this name; names the closest.
        InputError: an option that it does not have, or a value that is not allowed.
    """
    cls, kwargs = find_extractor(name, options)
    return {
        "features_extractor_class": cls,
        "features_extractor_kwargs": kwargs,
        "net_arch": [],
    }


def _check_option(name: str, extractor: Extractor, option: str, value: Any) -> None:
    if option in extractor.fixed:
        raise InputError(
            f"option {option}={value!r} of extractor {name!r}: the name already says "
            f"{extractor.fixed[option]!r}; choose another name instead"
        )
    if option not in extractor.options:
        nearest = closest(option, extractor.options, most=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        allowed = ", ".join(extractor.options)
        raise InputError(f"extractor {name!r} has no option {option!r}{hint} (allowed: {allowed})")
    try:
        check_arguments({option: value})
    except InputError as error:
        raise InputError(f"extractor {name!r}: {error}") from None
