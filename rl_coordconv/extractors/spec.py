"""What the rest of the library has to know about an extractor, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from rl_coordconv._util.errors import InputError, closest
from rl_coordconv.extractors.arguments import check_arguments


class Role(StrEnum):
    """What an arm is for in a comparison."""

    BASELINE = "baseline"
    TREATMENT = "treatment"
    CONTROL = "control"
    """Has a treatment's parameters without what is claimed to help; every treatment that names it
    is compared with it, too."""


@dataclass(frozen=True)
class ExtractorSpec:
    """What a name stands for.

    Attributes:
        name: as the command line and configurations have it.
        cls: the features extractor's class.
        role: baseline, treatment or control.
        control: the name of the control that a treatment is also compared with; None for none.
        fixed: arguments that make the name what it is.
        preset: arguments that the name chooses where nothing else is asked for.
        options: the names of the arguments that are free.
        choices: the values of options of which the name does not have all that its class has.
        plain: the class where all options that it does not take have their defaults, which are not
            told to it; None for the same one.
        colour: of its curves in every figure, ``#rrggbb``; None takes the next free one.
        dashes: of its curves, as matplotlib's ``linestyle``.
        published: the CoordConv paper's tally over nine games against the baseline ``cnn`` by the
            preset's algorithm; empty where the paper did not try it.
        format_1: the name under which today's registry has what this name meant in files of format
            1, and the preset that it had then; None where it meant what it means.
    """

    name: str
    cls: type[BaseFeaturesExtractor]
    role: Role = Role.TREATMENT
    control: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    preset: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plain: type[BaseFeaturesExtractor] | None = None
    colour: str | None = None
    dashes: str | tuple[int, tuple[float, ...]] = "-"
    published: Mapping[str, str] = field(default_factory=dict)
    format_1: tuple[str, Mapping[str, Any]] | None = None

    @property
    def classes(self) -> tuple[type[BaseFeaturesExtractor], ...]:
        """Every class that the name may build."""
        return (self.cls,) if self.plain is None else (self.cls, self.plain)

    def choose(
        self, options: Mapping[str, Any]
    ) -> tuple[type[BaseFeaturesExtractor], dict[str, Any]]:
        """Return the class for these options, and its arguments.

        Raises:
            InputError: an option that it does not have, or a value that is not allowed.
        """
        for option, value in options.items():
            self._check_option(option, value)
        kwargs = {**self.fixed, **self.preset, **options}
        if self.plain is None:
            return self.cls, kwargs
        taken = inspect.signature(self.plain).parameters
        defaults = inspect.signature(self.cls).parameters
        if any(defaults[one].default != kwargs[one] for one in kwargs.keys() - taken.keys()):
            return self.cls, kwargs
        return self.plain, {one: value for one, value in kwargs.items() if one in taken}

    def _check_option(self, option: str, value: Any) -> None:
        if option in self.fixed:
            raise InputError(
                f"option {option}={value!r} of extractor {self.name!r}: the name already says "
                f"{self.fixed[option]!r}; choose another name instead"
            )
        if option not in self.options:
            nearest = closest(option, self.options, most=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            allowed = ", ".join(self.options) or "none"
            raise InputError(
                f"extractor {self.name!r} has no option {option!r}{hint} (allowed: {allowed})"
            )
        try:
            self._check_value(option, value)
        except InputError as error:
            raise InputError(f"extractor {self.name!r}: {error}") from None

    def _check_value(self, option: str, value: Any) -> None:
        check_arguments({option: value}, self.choices)


class ForeignSpec(ExtractorSpec):
    """A class from somebody else's module, whose options are its constructor's arguments."""

    def _check_value(self, option: str, value: Any) -> None:
        """Leave values to the class: an option of ours may mean something else there."""


def foreign_spec(name: str, cls: Any) -> ForeignSpec:
    """Describe a features extractor by its class.

    Args:
        name: ``module:Class``.
        cls: what the module has under that name.

    Raises:
        InputError: it is no features extractor, or its arguments cannot be told apart by name.
    """
    if not (isinstance(cls, type) and issubclass(cls, BaseFeaturesExtractor)):
        raise InputError(
            f"extractor {name!r} is {cls!r}: a class that descends from stable-baselines3's "
            "BaseFeaturesExtractor is needed"
        )
    _, *parameters = inspect.signature(cls).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        raise InputError(
            f"extractor {name!r} takes **{parameters[-1].name}: give its arguments names, so that "
            "an option that it does not have can be refused"
        )
    options = tuple(
        one.name
        for one in parameters
        # stable-baselines3 itself passes the other one.
        if one.kind is not one.VAR_POSITIONAL and one.name != "normalized_image"
    )
    return ForeignSpec(name, cls, options=options)
