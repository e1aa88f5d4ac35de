"""The declared ranges of versions, and the two files that pin what they were tested with."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
# Their versions do not matter to users, or are those of a service; none is needed by a test.
UNPINNED = {
    *("mypy", "ruff", "types-pyyaml", "rl-coordconv", "ray"),
    *("wandb", "trackio", "mlflow", "huggingface-hub"),
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, Version]:
    lines = (ROOT / file).read_text(encoding="utf8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonical(name): Version(version) for name, version in pairs}


def requirements() -> dict[str, Requirement]:
    declared = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    named = {canonical(found.name): found for found in map(Requirement, declared)}
    return {name: found for name, found in named.items() if name not in UNPINNED}


def minimum(requirement: Requirement) -> Version:
    (found,) = [each.version for each in requirement.specifier if each.operator == ">="]
    return Version(found)


@pytest.mark.parametrize("name", requirements())
def test_the_oldest_pinned_is_the_declared_minimum(name):
    declared = minimum(requirements()[name])
    pinned = pins("constraints-oldest.txt")[name]
    assert pinned.release[: len(declared.release)] == declared.release
    assert requirements()[name].specifier.contains(pinned)


def test_nothing_else_is_pinned_to_an_old_version():
    assert pins("constraints-oldest.txt").keys() == requirements().keys()


@pytest.mark.parametrize("name", requirements())
def test_the_usual_version_is_allowed(name):
    assert requirements()[name].specifier.contains(pins("constraints.txt")[name])


def test_torch_has_no_upper_bound():
    specifier = requirements()["torch"].specifier
    assert [each.operator for each in specifier] == [">="]
    assert specifier.contains("2.14.1")
    assert specifier.contains("3.0.0")
