"""stable-baselines3's private interfaces can go: what is computed stays."""

import re

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from images_env import make_blinking
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.nn.utils import parameters_to_vector

import rl_coordconv
from rl_coordconv._util import sb3_internals as internals
from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast.rollouts import DeviceRolloutBuffer
from rl_coordconv.envs.channels import channels_first
from rl_coordconv.extractors import extractor_policy_kwargs

SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 8, "batch_size": 16, "n_epochs": 2}}


def trained(cls):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    model = cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
                precision="fp32", **SMALL[cls])  # fmt: skip
    model.learn(64)
    return parameters_to_vector(model.policy.parameters()).detach(), model


def test_all_are_there_in_the_releases_that_are_tested():
    assert internals.CHANGED_ATTRIBUTE is None
    assert internals.HAS_WARNINGS


@pytest.mark.parametrize(
    ("owner", "name", "attribute"),
    [
        (OnPolicyAlgorithm, "collect_rollouts", "_last_obs"),
        (stable_baselines3.PPO, "train", "_n_updates"),
    ],
)
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_where_an_attribute_has_gone_agents_learn_in_sb3s_own_way(
    cls, owner, name, attribute, monkeypatch
):
    want, model = trained(cls)
    assert type(model.rollout_buffer) is DeviceRolloutBuffer
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda self: None)
        changed = internals.find_changed_attribute()
    assert changed == attribute
    monkeypatch.setattr(internals, "CHANGED_ATTRIBUTE", changed)
    found, model = trained(cls)
    assert type(model.rollout_buffer) is not DeviceRolloutBuffer
    assert attribute in model.slow_reason
    assert torch.allclose(found, want, rtol=0, atol=2e-5)


def test_counters_that_have_gone_have_defaults(monkeypatch):
    _, model = trained(A2C)
    assert internals.n_updates(model) == 4
    internals.set_n_updates(model, 9)
    assert model._n_updates == 9
    assert internals.stats_window(model) == model._stats_window_size == 100
    del model._n_updates, model._stats_window_size
    internals.set_n_updates(model, 9)
    assert (internals.n_updates(model), internals.stats_window(model)) == (0, 100)


def test_other_words_of_a_warning_are_noticed(monkeypatch):
    monkeypatch.setattr(internals, "json_to_data", lambda text: "It cannot be read")
    assert not internals.says_so()
    monkeypatch.undo()
    monkeypatch.setattr(BaseAlgorithm, "load", classmethod(print))  # with no code to look at
    assert not internals.says_so()


class Narrow(rl_coordconv.CoordConvCNN):
    """Gone when it is to be loaded."""


@pytest.mark.parametrize("has_warnings", [True, False])
def test_what_would_be_replaced_is_refused_whatever_the_words(tmp_path, monkeypatch, has_warnings):
    path = tmp_path / "model.zip"
    kwargs = {"features_extractor_class": Narrow, "net_arch": []}
    stable_baselines3.PPO("CnnPolicy", make_blinking(), policy_kwargs=kwargs, device="cpu").save(
        path
    )
    monkeypatch.setattr(internals, "HAS_WARNINGS", has_warnings)
    loaded = rl_coordconv.load(path, trust=True, device="cpu")
    assert type(loaded.policy.features_extractor) is Narrow
    monkeypatch.delattr(f"{__name__}.Narrow")
    message = re.compile("cannot be loaded as it was saved: .*Could not deserialize", re.DOTALL)
    with pytest.raises(InputError, match=message):
        rl_coordconv.load(path, trust=True, device="cpu")


class Still(gym.Env):
    """Observes what it is told to."""

    action_space = spaces.Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}


def image(*shape):
    return spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    "space",
    [
        image(40, 44, 3),
        image(3, 40, 44),
        image(40, 44, 1),
        spaces.Dict({"eye": image(40, 44, 3), "sum": spaces.Box(-1, 1, (2,))}),
        spaces.Dict({"eye": image(3, 40, 44), "sum": spaces.Box(-1, 1, (2,))}),
    ],
)
def test_channels_come_first_where_sb3_puts_them_first(space):
    env = DummyVecEnv([lambda: Still(space)])
    wrapped = OnPolicyAlgorithm._wrap_env(env, verbose=0)
    assert channels_first(env).observation_space == wrapped.observation_space
