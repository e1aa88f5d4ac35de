"""`rl_coordconv.load`: asks for trust, finds the algorithm, and never gives another network."""

import sys
import types
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from torch import nn

import rl_coordconv
from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.extractors import CoordConvCnnPolicy, extractor_policy_kwargs


class Still(gym.Env):
    """An environment that is never stepped."""

    observation_space = spaces.Box(0, 255, (4, 36, 40), np.uint8)
    action_space = spaces.Discrete(3)


class ContinuousStill(Still):
    """The same with continuous actions."""

    action_space = spaces.Box(-1, 1, (2,))


def save(path, cls=PPO, policy="CnnPolicy", env=Still, **options):
    options.setdefault("policy_kwargs", extractor_policy_kwargs("coordconv", features_dim=16))
    model = cls(policy, env(), device="cpu", seed=0, **options)
    model.save(path)
    return model


def features(model):
    images = torch.arange(2 * 4 * 36 * 40).remainder(256).view(2, 4, 36, 40)
    network = model.policy.q_net if isinstance(model, DQN) else model.policy
    with torch.no_grad():
        return network.features_extractor(images / 255)


def test_nothing_is_unpickled_without_trust(tmp_path, monkeypatch):
    save(tmp_path / "model.zip")
    monkeypatch.setattr("cloudpickle.loads", None)
    with pytest.raises(InputError, match="pass trust=True"):
        rl_coordconv.load(tmp_path / "model.zip")


@pytest.mark.parametrize("cls", [PPO, A2C, DQN])
def test_the_algorithm_is_recognised(cls, tmp_path):
    options = {"buffer_size": 8} if cls is DQN else {}
    model = save(tmp_path / "model.zip", cls, **options)
    loaded = rl_coordconv.load(tmp_path / "model", trust=True, device="cpu")
    assert type(loaded) is cls
    assert torch.equal(features(loaded), features(model))
    assert features(model).abs().max() > 0


def test_algorithms_that_look_like_others_must_be_named(tmp_path):
    contrib = pytest.importorskip("sb3_contrib")
    path = tmp_path / "model.zip"
    for name in ("MaskablePPO", "TRPO", "QRDQN"):
        cls = getattr(contrib, name)
        model = save(path, cls, **({"buffer_size": 8} if name == "QRDQN" else {}))
        with pytest.raises(InputError, match="none of a2c, dqn, ppo; pass its class"):
            rl_coordconv.load(path, trust=True, device="cpu")
        loaded = rl_coordconv.load(path, trust=True, algorithm=cls, device="cpu")
        assert type(loaded) is cls
        assert loaded.policy.features_extractor_class is model.policy.features_extractor_class


def test_sac_is_not_taken_for_another(tmp_path):
    save(tmp_path / "model.zip", SAC, env=ContinuousStill, buffer_size=8)
    with pytest.raises(InputError, match="none of a2c, dqn, ppo"):
        rl_coordconv.load(tmp_path / "model.zip", trust=True, device="cpu")


def test_an_algorithm_by_name(tmp_path):
    save(tmp_path / "model.zip")
    loaded = rl_coordconv.load(tmp_path / "model.zip", trust=True, algorithm="ppo", device="cpu")
    assert type(loaded) is PPO
    with pytest.raises(UnknownNameError, match="unknown algorithm 'pp0'; did you mean 'ppo'"):
        rl_coordconv.load(tmp_path / "model.zip", trust=True, algorithm="pp0")


def test_models_without_our_extractor_load_too(tmp_path):
    save(tmp_path / "plain.zip", policy_kwargs=None)
    loaded = rl_coordconv.load(tmp_path / "plain.zip", trust=True, device="cpu")
    assert type(loaded.policy.features_extractor) is NatureCNN
    save(tmp_path / "class.zip", policy=CoordConvCnnPolicy, policy_kwargs=None)
    loaded = rl_coordconv.load(tmp_path / "class.zip", trust=True, device="cpu")
    assert type(loaded.policy) is CoordConvCnnPolicy


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(InputError, match="no saved model at"):
        rl_coordconv.load(tmp_path / "nothing", trust=True)
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(InputError, match="is not a model saved by stable-baselines3"):
        rl_coordconv.load(tmp_path / "text.zip", trust=True)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(InputError, match="is not a model saved by stable-baselines3"):
        rl_coordconv.load(tmp_path / "other.zip", trust=True)


class OwnNetwork(BaseFeaturesExtractor):
    """A user's extractor, whose weights have names of their own."""

    # As many features and parameters as NatureCNN: the optimiser's state and the heads fit it.
    def __init__(self, observation_space, features_dim=512):
        super().__init__(observation_space, features_dim)
        size = int(np.prod(observation_space.shape))
        small = [nn.Linear(size, 8), nn.Linear(8, 8), nn.Linear(8, 8)]
        self.body = nn.Sequential(nn.Flatten(), *small, nn.Linear(8, features_dim))

    def forward(self, observations):
        return self.body(observations)


@pytest.fixture
def users_model(tmp_path, monkeypatch):
    """Save a model whose extractor lies in a module of the user's; return both."""
    module = types.ModuleType("users_module")
    monkeypatch.setitem(sys.modules, "users_module", module)
    monkeypatch.setattr(OwnNetwork, "__module__", "users_module")
    module.OwnNetwork = OwnNetwork
    kwargs = {"features_extractor_class": OwnNetwork, "net_arch": []}
    save(tmp_path / "model.zip", policy_kwargs=kwargs)
    return tmp_path / "model.zip", module


def test_a_renamed_class_is_refused_where_sb3_silently_builds_another(users_model):
    path, module = users_model
    loaded = rl_coordconv.load(path, trust=True, device="cpu")
    assert type(loaded.policy.features_extractor) is OwnNetwork

    del module.OwnNetwork
    with (  # SB3's own way: the wrong network, untrained
        pytest.warns(UserWarning, match="You are probably loading"),
        pytest.warns(UserWarning, match="Could not deserialize object policy_kwargs"),
    ):
        loaded = PPO.load(path, device="cpu")
    assert type(loaded.policy.features_extractor) is NatureCNN
    with pytest.raises(InputError, match=r"cannot be loaded as it was saved: (.|\n)*'OwnNetwork'"):
        rl_coordconv.load(path, trust=True, device="cpu")


def test_a_class_that_left_a_shim_behind_loads(users_model):
    path, module = users_model
    OwnNetwork.__module__ = "users_new_module"
    OwnNetwork.__name__ = OwnNetwork.__qualname__ = "BetterNetwork"
    try:
        loaded = rl_coordconv.load(path, trust=True, device="cpu")
    finally:
        OwnNetwork.__name__ = OwnNetwork.__qualname__ = "OwnNetwork"
    assert type(loaded.policy.features_extractor) is module.OwnNetwork


def test_a_module_that_is_gone_is_named(users_model, monkeypatch):
    path, _ = users_model
    monkeypatch.delitem(sys.modules, "users_module")
    with pytest.raises(InputError, match="cannot be loaded as it was saved: .*'users_module'"):
        rl_coordconv.load(path, trust=True, device="cpu")


@pytest.mark.parametrize("ours", [True, False])
def test_a_class_of_ours_that_is_gone_stops_both_loaders(ours, tmp_path, monkeypatch):
    """ImpalaCNN's weights have other names than NatureCNN's: SB3 would replace it silently."""
    path = tmp_path / "model.zip"
    save(path, policy_kwargs=extractor_policy_kwargs("impala", features_dim=16))
    monkeypatch.delattr("rl_coordconv.extractors.ImpalaCNN")
    message = "has no attribute 'ImpalaCNN'.*another version of rl-coordconv"
    if ours:
        with pytest.raises(InputError, match=message):
            rl_coordconv.load(path, trust=True, device="cpu")
    else:
        with pytest.raises(ImportError, match=message):
            PPO.load(path, device="cpu")


@pytest.mark.parametrize(
    ("features_dim", "message"), [(512, "You are probably loading"), (16, "size mismatch")]
)
def test_weights_that_do_not_fit_are_refused(users_model, features_dim, message):
    path, _ = users_model
    kwargs = {"features_extractor_kwargs": {"features_dim": features_dim}}
    with pytest.raises(InputError, match=rf"cannot be loaded as it was saved: (.|\n)*{message}"):
        rl_coordconv.load(path, trust=True, device="cpu", custom_objects={"policy_kwargs": kwargs})


@pytest.mark.parametrize("policy", ["CnnPolicy", CoordConvCnnPolicy], ids=["kwargs", "class"])
def test_our_models_load_after_every_internal_file_moved(tmp_path, policy, monkeypatch):
    model = save(tmp_path / "model.zip", policy=policy)
    for subpackage in ("extractors", "layers"):
        for file in (Path(rl_coordconv.__file__).parent / subpackage).glob("[a-z]*.py"):
            monkeypatch.setitem(sys.modules, f"rl_coordconv.{subpackage}.{file.stem}", None)
    loaded = PPO.load(tmp_path / "model.zip", device="cpu")
    assert type(loaded.policy.features_extractor) is rl_coordconv.CoordConvCNN
    assert torch.equal(features(loaded), features(model))
