"""Single hyperparameters over a preset's: the keys that it has, dotted ones inside its mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rl_coordconv._util.errors import InputError, UnknownNameError, shown, unknown_name
from rl_coordconv.agents.presets import Preset, change_preset

Scalar = bool | int | float | str | None
"""What a hyperparameter may be given as; None is YAML's null."""


def with_settings(preset: Preset, settings: Mapping[str, Any], *, agent: str) -> Preset:
    """Return a preset with single hyperparameters changed, checked as a file's are.

    Args:
        preset: the agent's.
        settings: values by the preset's keys; ``optimizer_kwargs.eps`` is a key of a mapping.
        agent: the preset's name, for messages.

    Raises:
        UnknownNameError: a key that the agent's algorithm does not have.
        InputError: ``algorithm``, or a value that is not allowed.
    """
    changes: dict[str, Any] = {}
    # Whole mappings come before their keys, in whatever order they were given.
    for key, value in sorted(settings.items(), key=lambda item: "." in item[0]):
        _check_key(key, preset, agent)
        name, dot, inner = key.partition(".")
        if dot:
            there = changes.get(name, getattr(preset, name))
            if not isinstance(there, Mapping):
                raise InputError(f"{shown(key)} cannot be set: {name} holds no keys of its own")
            changes[name] = {**there, inner: value}
        else:
            changes[name] = value
    return change_preset(preset, changes)


def _check_key(key: str, preset: Preset, agent: str) -> None:
    if key == "algorithm":
        raise InputError(
            f"algorithm cannot be set over {agent}'s {preset.algorithm!r}, whose hyperparameters "
            "are other ones: choose another agent"
        )
    names = [name for name in type(preset).model_fields if name != "algorithm"]
    if key.partition(".")[0] not in names:
        raise _unknown_key(key, names, preset, agent)


def _unknown_key(key: str, names: list[str], preset: Preset, agent: str) -> UnknownNameError:
    has = "" if agent == preset.algorithm else f" ({preset.algorithm})"
    return unknown_name(f"hyperparameter of agent {agent}{has}", key, names)
