"""Extractors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN

from rl_coordconv._util.errors import InputError, closest, unknown_name
from rl_coordconv.extractors.arguments import check_arguments
from rl_coordconv.extractors.forms import AS_PUBLISHED, EVEN
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
        preset: arguments that the name chooses where nothing else is asked for.
        options: the names of the arguments that are free.
        flattened: the class where ``pooling`` is ``"flatten"``, which is not told to it; None for
            the same one.
    """

    cls: type[BaseFeaturesExtractor]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    preset: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = _SHARED + _COORDINATES
    flattened: type[BaseFeaturesExtractor] | None = None

    def choose(self, options: Mapping[str, Any]) -> tuple[type[BaseFeaturesExtractor], dict]:
        """Return the class for these options, and its arguments."""
        kwargs = {**self.fixed, **self.preset, **options}
        if self.flattened is None or kwargs.get("pooling", "flatten") != "flatten":
            return self.cls, kwargs
        kwargs.pop("pooling", None)
        return self.flattened, kwargs


EXTRACTORS: dict[str, Extractor] = {
    # The vanilla arm is stable-baselines3's own class wherever that can do what is asked.
    "cnn": Extractor(PooledCNN, options=_SHARED, flattened=NatureCNN),
    "coordconv": Extractor(CoordConvCNN, {"where": "first"}, EVEN),
    "coordconv-all": Extractor(CoordConvCNN, {"where": "all"}, EVEN),
    "coordconv-paper": Extractor(CoordConvCNN, {"where": "first"}, AS_PUBLISHED),
    "placebo": Extractor(PlaceboCNN, {"where": "first"}, EVEN),
    "impala": Extractor(ImpalaCNN, options=_SHARED),
    "impala-coordconv": Extractor(ImpalaCNN, {"where": "first"}, EVEN),
}
"""Every extractor by its name."""


def from_format_1(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Say in today's words what a name meant in files that were written before `coordconv-paper`.

    Args:
        name: an extractor's name as it was written.
        options: the options beside it.

    Returns:
        The name and the options with which `find_extractor` builds the same network.
    """
    if name == "coordconv":
        return "coordconv-paper", dict(options)
    extractor = EXTRACTORS.get(name)
    if extractor is None or extractor.preset != EVEN:
        return name, dict(options)
    return name, {**AS_PUBLISHED, **options}


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
        name: ``cnn`` (SB3's NatureCNN), ``coordconv`` (coordinates in the first convolution),
            ``coordconv-all`` (in every one), ``placebo`` (ones in place of coordinates),
            ``impala``, ``impala-coordconv``, or ``coordconv-paper``: coordinates as they are
            published, which Adam and RMSprop learn 64 times as fast as a bias, and with which
            agents were found to learn worse (docs/layers.md).
        **options: ``features_dim`` (an integer), ``pooling`` (``"flatten"``, ``"mean"`` or
            ``"max"``, see `PooledCNN`) and, where there are extra channels, ``with_r``
            (also the distance from the centre), ``coordinate_scale`` (``"kernel"``; 1.0 in
            ``coordconv-paper``) and ``coordinate_init`` (``"separate"``; ``"default"`` in
            ``coordconv-paper``; or ``"zero"`` to begin as the plain network), see `CoordConvCNN`.

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
