"""Converting existing networks."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch import nn
from torch.nn.utils import parametrizations

from rl_coordconv._util.errors import InputError
from rl_coordconv.layers import CoordConv2d, convert_to_coordconv, coordinate_weight_ratios


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", padding_mode="reflect"),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 8, (3, 1), stride=2, dilation=2, bias=False), nn.BatchNorm2d(8)),
        nn.Conv2d(8, 4, 1),
    )


@pytest.mark.parametrize(("where", "count"), [("first", 1), ("last", 1), ("all", 3)])
@pytest.mark.parametrize("with_r", [False, True])
def test_the_converted_network_computes_the_same(where, count, with_r):
    torch.manual_seed(0)
    net = network().double().eval()
    image = torch.randn(2, 3, 17, 23, dtype=torch.float64)
    before = net(image)
    assert convert_to_coordconv(net, where, with_r) is net
    layers = [layer for layer in net.modules() if isinstance(layer, CoordConv2d)]
    assert len(layers) == count
    assert isinstance(net[0], CoordConv2d) == (where != "last")
    assert isinstance(net[3], CoordConv2d) == (where != "first")
    assert torch.allclose(net(image), before, atol=1e-13)
    net(image).square().sum().backward()
    for layer in layers:
        assert torch.all(layer.coordinate_weight == 0)
        assert layer.weight.grad[:, layer.image_channels :].abs().max() > 0


def test_the_scale_reaches_every_converted_layer():
    net = convert_to_coordconv(network(), "all", coordinate_scale="kernel")
    for layer in net.modules():
        if isinstance(layer, CoordConv2d):
            assert layer.coordinate_scale == pytest.approx(1 / math.prod(layer.kernel_size))
    with pytest.raises(InputError, match="mean 'kernel'"):
        convert_to_coordconv(network(), coordinate_scale="kernal")


def test_a_single_convolution_is_returned_anew():
    conv = nn.Conv2d(3, 8, 3)
    layer = convert_to_coordconv(conv)
    image = torch.rand(1, 3, 9, 9)
    assert isinstance(layer, CoordConv2d)
    assert torch.allclose(layer(image), conv(image), atol=1e-6)


def test_a_shared_convolution_stays_shared():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    net = nn.Sequential(conv, nn.ReLU(), conv)
    convert_to_coordconv(net, "all")
    assert net[0] is net[2]
    assert isinstance(net[0], CoordConv2d)


def test_frozen_weights_modes_and_layouts_are_kept():
    conv = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last).eval()
    conv.weight.requires_grad_(False)
    layer = convert_to_coordconv(conv)
    assert not layer.weight.requires_grad
    assert layer.bias.requires_grad
    assert not layer.training
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)


def hooked():
    conv = nn.Conv2d(3, 8, 3)
    conv.register_forward_hook(lambda *_: None)
    return conv


class Special(nn.Conv2d):
    """A convolution that may do anything."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Sequential(nn.ReLU()), "Sequential has no nn.Conv2d to convert"),
        (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4)), "layer '0' .*groups=4"),
        (lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 8, 3))), "parametrised"),
        (lambda: nn.Sequential(hooked()), "hooks"),
        (lambda: nn.Sequential(Special(3, 8, 3)), "Special"),
        (lambda: nn.Sequential(nn.LazyConv2d(8, 3)), "LazyConv2d"),
        (lambda: nn.Sequential(CoordConv2d(3, 8, 3)), "no nn.Conv2d"),
        (lambda: nn.Sequential(nn.ConvTranspose2d(3, 8, 3)), "no nn.Conv2d"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(make, message):
    with pytest.raises(InputError, match=message):
        convert_to_coordconv(make(), "all")


def test_a_refusal_changes_nothing():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4))
    with pytest.raises(InputError, match="layer '1'"):
        convert_to_coordconv(net, "all")
    assert type(net[0]) is nn.Conv2d


def test_an_unknown_where_is_refused_with_the_closest():
    with pytest.raises(InputError, match="where='frist'; did you mean 'first'"):
        convert_to_coordconv(network(), "frist")


class Images(gym.Env):
    """Random images; one action is right."""

    observation_space = gym.spaces.Box(0, 255, (3, 36, 36), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(action == 1), False, False, {}


def test_a_trained_sb3_policy_is_converted_and_learns_on():
    kwargs = {"n_steps": 8, "batch_size": 8, "n_epochs": 1, "seed": 0, "device": "cpu"}
    model = PPO("CnnPolicy", Images(), **kwargs).learn(16)
    policy = model.policy
    observation = torch.randint(0, 256, (5, 3, 36, 36), dtype=torch.uint8)
    with torch.no_grad():
        logits = policy.get_distribution(observation).distribution.logits
        values = policy.predict_values(observation)
    convert_to_coordconv(policy, "all")
    assert policy.features_extractor is policy.pi_features_extractor is policy.vf_features_extractor
    with torch.no_grad():
        assert torch.allclose(
            policy.get_distribution(observation).distribution.logits, logits, atol=1e-6
        )
        assert torch.allclose(policy.predict_values(observation), values, atol=1e-6)
    assert set(coordinate_weight_ratios(policy).values()) == {0.0}

    policy.optimizer = policy.optimizer_class(
        policy.parameters(), lr=model.lr_schedule(1), **policy.optimizer_kwargs
    )
    model.learn(16)
    ratios = coordinate_weight_ratios(policy)
    assert list(ratios) == [f"features_extractor.cnn.{index}" for index in (0, 2, 4)]
    assert all(0 < ratio < 0.1 for ratio in ratios.values())
