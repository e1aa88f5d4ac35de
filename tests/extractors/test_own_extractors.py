"""Extractors of one's own: registered from outside, or imported by their path."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from rl_coordconv._util import importing
from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.extractors import (
    EXTRACTORS,
    ExtractorSpec,
    Role,
    extractor_policy_kwargs,
    import_extractor,
    register_extractor,
)
from rl_coordconv.extractors.arms import control_of
from rl_coordconv.extractors.registry import find_spec, portable_classes

SPACE = spaces.Box(0, 255, (3, 40, 40), np.uint8)
MODULE = """
from tests_own_base import Own

class Deep(Own):
    def __init__(self, observation_space, features_dim=16, normalized_image=False, depth=2):
        super().__init__(observation_space, features_dim)
        self.depth = depth

class Loose(Own):
    def __init__(self, observation_space, **kwargs):
        super().__init__(observation_space, 3)

number = 3
"""


class Own(BaseFeaturesExtractor):
    """Means over pixels, and a layer."""

    def __init__(self, observation_space: gym.Space, features_dim: int = 16) -> None:
        super().__init__(observation_space, features_dim)
        self.linear = nn.Linear(observation_space.shape[0], features_dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.mean((2, 3)))


@pytest.fixture
def own_registry(monkeypatch):
    monkeypatch.setattr(importing, "_trusted", set())
    before = dict(EXTRACTORS)
    yield
    EXTRACTORS.clear()
    EXTRACTORS.update(before)


@pytest.fixture
def module(own_registry, tmp_path, monkeypatch):
    """A package of somebody else's on the path; its name."""
    import sys
    import types

    base = types.ModuleType("tests_own_base")
    base.Own = Own
    monkeypatch.setitem(sys.modules, "tests_own_base", base)
    name = f"own_nets_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_one_line_registers_an_extractor_everywhere(own_registry):
    register_extractor(ExtractorSpec("own", Own, control="own-control", options=("features_dim",)))
    register_extractor(ExtractorSpec("own-control", Own, role=Role.CONTROL))
    kwargs = extractor_policy_kwargs("own", features_dim=5)
    assert kwargs == {"features_extractor_class": Own, "net_arch": [],
                      "features_extractor_kwargs": {"features_dim": 5}}  # fmt: skip
    assert Own in portable_classes()
    assert control_of("own(features_dim=5)", ["cnn", "own-control"]) == "own-control"
    with pytest.raises(UnknownNameError, match="did you mean 'own'"):
        find_spec("owm")


def test_a_name_is_not_taken_twice(own_registry):
    spec = ExtractorSpec("own", Own)
    register_extractor(spec)
    register_extractor(spec)  # the same again
    with pytest.raises(InputError, match="'own' is registered already, as Own"):
        register_extractor(ExtractorSpec("own", Own, role=Role.CONTROL))


def test_a_class_by_its_path_is_imported_for_who_asks_and_not_for_a_file(module):
    name = f"{module}:Deep"
    with pytest.raises(InputError, match="is code from outside.*only with --trust"):
        extractor_policy_kwargs(name)
    import_extractor(name)
    kwargs = extractor_policy_kwargs(name, depth=3)
    network = kwargs["features_extractor_class"](SPACE, **kwargs["features_extractor_kwargs"])
    assert network.depth == 3
    assert kwargs["net_arch"] == []
    # What SB3 itself passes is no option.
    assert find_spec(name).options == ("features_dim", "depth")
    with pytest.raises(InputError, match="has no option 'dept'; did you mean 'depth'"):
        extractor_policy_kwargs(name, dept=3)


@pytest.mark.parametrize(("attribute", "words"), [
    ("Dep", "has no 'Dep'; did you mean 'Deep'"),
    ("number", "a class that descends from stable-baselines3's BaseFeaturesExtractor"),
    ("Loose", "takes \\*\\*kwargs: give its arguments names"),
])  # fmt: skip
def test_what_is_no_extractor_is_refused(module, attribute, words):
    with pytest.raises(InputError, match=words):
        import_extractor(f"{module}:{attribute}")


def test_names_without_a_module_are_left_to_the_registry(own_registry):
    import_extractor("cnn")
    import_extractor("coordconw")
    with pytest.raises(UnknownNameError, match="did you mean 'coordconv'"):
        find_spec("coordconw")


class Bare(BaseFeaturesExtractor):
    """As little as stable-baselines3 asks for; its features are as many as channels."""

    def __init__(self, observation_space: gym.Space) -> None:
        super().__init__(observation_space, observation_space.shape[0])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


@pytest.mark.parametrize(("cls", "features"), [(Own, 256), (Bare, 3)])
def test_a_class_of_ones_own_sees_the_images_of_a_dict(own_registry, cls, features):
    options = ("features_dim",) if cls is Own else ()
    register_extractor(ExtractorSpec(name="own", cls=cls, options=options))
    space = spaces.Dict({"image": SPACE, "speed": spaces.Box(-1, 1, (2,), np.float32)})
    kwargs = extractor_policy_kwargs("own", observation_space=space)
    assert kwargs["net_arch"] == []
    network = kwargs["features_extractor_class"](space, **kwargs["features_extractor_kwargs"])
    assert network.features_dim == features + 2
    seen = {"image": torch.rand(2, 3, 40, 40), "speed": torch.rand(2, 2)}
    assert network(seen).shape == (2, features + 2)


def test_a_module_of_the_current_directory_needs_no_installing(own_registry, tmp_path, monkeypatch):
    (tmp_path / "here_alone.py").write_text("from tests_nowhere import Net")
    monkeypatch.setattr("sys.path", ["/nowhere"])
    monkeypatch.chdir(tmp_path)
    # It is found, and what it needs is not.
    with pytest.raises(InputError, match="no module 'tests_nowhere' to import .it needs"):
        import_extractor("here_alone:Net")
