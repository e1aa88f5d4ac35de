"""Extractors by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from rl_coordconv._util.errors import InputError, unknown_name
from rl_coordconv._util.importing import import_named, is_import_path, require_trust, trust
from rl_coordconv.extractors import impala, impoola, nature, pooled
from rl_coordconv.extractors.names import public
from rl_coordconv.extractors.spec import ExtractorSpec, foreign_spec

EXTRACTORS: dict[str, ExtractorSpec] = {}
"""Every extractor by its name."""


@public
def register_extractor(spec: ExtractorSpec) -> None:
    """Make an extractor known by its name: to the command line, files, reports and errors.

    Args:
        spec: what the name stands for. A name that is taken already keeps its meaning if the
            description is the same.

    Raises:
        InputError: the name stands for something else.
    """
    known = EXTRACTORS.setdefault(spec.name, spec)
    if known != spec:
        raise InputError(f"extractor {spec.name!r} is registered already, as {known.cls.__name__}")


for _spec in (*nature.SPECS, *pooled.SPECS, *impala.SPECS, *impoola.SPECS):
    register_extractor(_spec)


@public
def import_extractor(name: str) -> None:
    """Import a class of one's own by its path, which runs its module's code, and register it.

    Args:
        name: ``module:Class``; a name that is registered already is left as it is.

    Raises:
        InputError: the module cannot be imported, has no such class, or that is no extractor.
    """
    if is_import_path(name) and name not in EXTRACTORS:
        trust("extractor", name)
        register_extractor(foreign_spec(name, import_named("extractor", name)))


def find_spec(name: str) -> ExtractorSpec:
    """Return what a name stands for.

    Raises:
        UnknownNameError: no extractor has this name; names the closest.
        InputError: the name is a path to a class that nobody has asked to import.
    """
    if isinstance(name, str) and name in EXTRACTORS:
        return EXTRACTORS[name]
    if isinstance(name, str) and is_import_path(name):
        require_trust("extractor", name)
    raise unknown_name("extractor", name, EXTRACTORS)


def portable_classes() -> tuple[type[BaseFeaturesExtractor], ...]:
    """Return every class that a saved policy may name, in the order of their registration."""
    return tuple(dict.fromkeys(cls for spec in EXTRACTORS.values() for cls in spec.classes))


def from_format_1(name: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Say in today's words what a name meant in files that were written before `coordconv-paper`.

    Args:
        name: an extractor's name as it was written.
        options: the options beside it.

    Returns:
        The name and the options with which `find_extractor` builds the same network.
    """
    spec = EXTRACTORS.get(name)
    if spec is None or spec.format_1 is None:
        return name, dict(options)
    today, preset = spec.format_1
    return today, {**preset, **options}


def find_extractor(
    name: str, options: Mapping[str, Any]
) -> tuple[type[BaseFeaturesExtractor], dict[str, Any]]:
    """Return an extractor's class and its arguments: what the name fixes, and the options.

    Raises:
        UnknownNameError: no extractor has this name.
        InputError: an option that it does not have, or a value that is not allowed.
    """
    return find_spec(name).choose(options)
