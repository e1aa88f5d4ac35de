"""The fast path computes only what it knows; all else is called, or goes SB3's own way."""

import networks
import numpy as np
import pytest
import stable_baselines3
import torch
from images_env import make_blinking
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from rl_coordconv.agents import A2C, PPO
from rl_coordconv.agents.fast.eligibility import why_not_fast
from rl_coordconv.agents.fast.torsos import GenericTorso, NatureTorso
from rl_coordconv.extractors import extractor_policy_kwargs

SMALL = {A2C: {"n_steps": 5}, PPO: {"n_steps": 8, "batch_size": 16, "n_epochs": 1}}


def build(cls=PPO, extractor="cnn", **options):
    kwargs = extractor_policy_kwargs(extractor, features_dim=16)
    return cls("CnnPolicy", make_blinking(), policy_kwargs=kwargs, seed=0, device="cpu",
               **SMALL[cls] | options)  # fmt: skip


def padded(policy):
    networks.first_convolution(policy).padding = (1, 1)


def dilated(policy):
    networks.first_convolution(policy).dilation = (1, 2)


def forward_on_the_object(policy):
    layer = networks.first_convolution(policy)
    original = layer.forward
    layer.forward = lambda images: original(images) * 1.5


def conv_forward_on_the_object(policy):
    layer = networks.first_convolution(policy)
    original = layer._conv_forward
    layer._conv_forward = lambda *inputs: original(*inputs) * 1.5


def spectral_norm(policy):
    nn.utils.parametrizations.spectral_norm(policy.features_extractor.linear[0])


def no_bias(policy):
    old = policy.features_extractor.linear[0]
    policy.features_extractor.linear[0] = nn.Linear(old.in_features, old.out_features, bias=False)


def flatten_from_two(policy):
    cnn = policy.features_extractor.cnn
    cnn[-1] = nn.Sequential(nn.Flatten(2), nn.Flatten())


class Doubling(nn.Linear):
    def forward(self, input):
        return 2 * super().forward(input)


def own_head(policy):
    old = policy.value_net
    policy.value_net = Doubling(old.in_features, 1)


def own_linear(policy):
    old = policy.features_extractor.linear[0]
    policy.features_extractor.linear[0] = Doubling(old.in_features, old.out_features)


def own_activation(policy):
    class Softer(nn.ReLU):
        def forward(self, input):
            return super().forward(input) * 0.5

    policy.features_extractor.cnn[1] = Softer()


def own_sequential(policy):
    class Residual(nn.Sequential):
        def forward(self, input):
            return super().forward(input) + 1

    policy.features_extractor.linear = Residual(*policy.features_extractor.linear)


def grown(policy):
    policy.features_extractor.linear.append(nn.LayerNorm(16))


CHANGES = [
    *(networks.standardise, networks.parametrise, networks.tanh, networks.flatten_otherwise),
    *(padded, dilated, forward_on_the_object, conv_forward_on_the_object, spectral_norm, no_bias),
    *(flatten_from_two, own_head, own_linear, own_activation, own_sequential, grown),
]


def fit(policy):
    """Give the last layer as many inputs as a changed convolution returns."""
    extractor = policy.features_extractor
    with torch.no_grad():
        shape = policy.observation_space.shape
        size = extractor.cnn(torch.zeros(1, *shape)).shape[1]
    if extractor.linear[0].in_features != size:
        extractor.linear[0] = nn.Linear(size, 16)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("cls", [A2C, PPO])
def test_a_changed_network_acts_and_learns_as_the_policy_itself(cls, change):
    model = build(cls)
    change(model.policy)
    fit(model.policy)
    optimizer = torch.optim.Adam(model.policy.parameters(), lr=1e-3)
    model.policy.optimizer = optimizer
    model.learn(model.n_steps * model.n_envs - 1)  # the update comes after what is looked at
    policy, buffer = model.policy, model.rollout_buffer
    # What the rollout was played with is gone by an update: play one more, without learning.
    model.train = lambda: None
    model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
    policy.set_training_mode(False)
    observations = torch.as_tensor(buffer.observations).flatten(0, 1)
    actions = torch.as_tensor(buffer.actions).flatten()
    with torch.no_grad():
        values, log_probs, _ = policy.evaluate_actions(observations, actions)
    np.testing.assert_allclose(buffer.values.flatten(), values.flatten(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(buffer.log_probs.flatten(), log_probs, rtol=1e-4, atol=1e-5)


def test_a_class_that_is_patched_is_called(monkeypatch):
    model = build()
    assert isinstance(model._network().torsos[0], NatureTorso)
    original = nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, images: 2 * original(self, images))
    assert isinstance(model._network().torsos[0], GenericTorso)
    monkeypatch.undo()
    monkeypatch.setattr(ActorCriticPolicy, "predict_values", lambda self, obs: None)
    assert model.slow_reason == "ActorCriticCnnPolicy has its own predict_values()"


HOOKS = {
    "forward": lambda module: module.register_forward_hook(lambda *_: None),
    "forward pre": lambda module: module.register_forward_pre_hook(lambda *_: None),
    "backward": lambda module: module.register_full_backward_hook(lambda *_: None),
    "backward pre": lambda module: module.register_full_backward_pre_hook(lambda *_: None),
    "everywhere": lambda _: nn.modules.module.register_module_forward_hook(lambda *_: None),
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize("name", ["", "action_net", "features_extractor.cnn.1", "mlp_extractor"])
def test_who_listens_is_heard(hook, name):
    model = build()
    assert model.slow_reason is None
    handle = hook(model.policy.get_submodule(name))
    try:
        assert model.slow_reason == "the policy or a module in it has hooks"
    finally:
        handle.remove()
    assert model.slow_reason is None


@pytest.mark.parametrize("device", ["mps", "xpu", "meta"])
def test_devices_it_does_not_know_go_sb3s_way(device):
    model = build()
    model.device = torch.device(device)
    assert why_not_fast(model) == f"the device is {device}, not one of cpu, cuda"


def test_autocast_is_sb3s():
    model = build()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.slow_reason == "autocast is on"


def test_another_extractor_for_the_actions_alone_is_not_shared():
    model = build()
    model.policy.features_extractor = model.policy.make_features_extractor()
    assert "differ although they are said to be shared" in model.slow_reason


@pytest.mark.parametrize("name", ["add", "get", "reset", "compute_returns_and_advantage"])
def test_a_buffer_with_a_method_of_its_own_is_asked(name):
    model = build()
    setattr(model.rollout_buffer, name, getattr(model.rollout_buffer, name))
    assert model.slow_reason == f"the rollout buffer has its own {name}()"


def test_a_distribution_with_a_method_of_its_own_is_asked():
    model = build()
    model.policy.action_dist.entropy = lambda: torch.zeros(1)
    assert model.slow_reason == "the action distribution has its own entropy()"


@pytest.mark.parametrize("cls", [A2C, PPO])
def test_a_drop_in_class_computes_in_sb3s_numbers(cls):
    model = build(cls)
    assert model.precision == "fp32"
    assert (model.chosen_precision.name, model.chosen_precision.reason) == ("fp32", "asked for")
    stock = {A2C: stable_baselines3.A2C, PPO: stable_baselines3.PPO}[cls]
    assert isinstance(model, stock)
