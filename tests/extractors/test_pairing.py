"""Paired initial weights: equal where extractors share them, and distributed as SB3's."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from rl_coordconv.extractors import extractor_policy_kwargs
from rl_coordconv.extractors.pairing import describe_pairing, initialize_paired_


class Still(gym.Env):
    """An environment that is never stepped."""

    observation_space = spaces.Box(0, 255, (4, 36, 40), np.uint8)
    action_space = spaces.Discrete(5)


def policy(name, seed=0, **kwargs):
    options = kwargs.pop("options", {})
    policy_kwargs = extractor_policy_kwargs(name, features_dim=16, **options) | kwargs
    model = PPO("CnnPolicy", Still(), device="cpu", seed=9, policy_kwargs=policy_kwargs)
    return initialize_paired_(model.policy, seed)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    ("plain", "other"),
    [
        ("cnn", "coordconv"),
        ("cnn", "coordconv-all"),
        ("cnn", "placebo"),
        ("impala", "impala-coordconv"),
    ],
)
def test_shared_weights_are_equal(plain, other, share):
    state = policy(plain, share_features_extractor=share).state_dict()
    for key, value in policy(other, share_features_extractor=share).state_dict().items():
        width = state[key].shape[1] if state[key].dim() > 1 else None
        assert torch.equal(value[:, :width] if width else value, state[key]), key


def test_coordinates_and_placebo_start_from_the_same_extra_weights():
    first, second = policy("coordconv").state_dict(), policy("placebo").state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    one_of_all = policy("coordconv-all").state_dict()["features_extractor.cnn.0.weight"]
    assert torch.equal(one_of_all, first["features_extractor.cnn.0.weight"])


def test_seeds_layers_and_parts_differ():
    first, second = policy("coordconv", 0).state_dict(), policy("coordconv", 1).state_dict()
    key = "features_extractor.cnn.0.weight"
    assert not torch.allclose(first[key], second[key])
    unshared = policy("cnn", share_features_extractor=False)
    pi, vf = unshared.pi_features_extractor, unshared.vf_features_extractor
    assert not torch.allclose(pi.cnn[0].weight, vf.cnn[0].weight)


def test_the_scale_of_every_part():
    network = policy("coordconv")
    weight = network.features_extractor.cnn[0].weight.detach()
    rows = weight[:, :4].flatten(1)
    assert torch.allclose(rows @ rows.T, 2 * torch.eye(32), atol=1e-5)
    # 2 of 6 channels of rows of squared norm 2, with 32 rows to average over
    squared = weight[:, 4:].flatten(1).square().sum(1)
    assert squared.mean().item() == pytest.approx(2 * 2 / 6, rel=0.05)
    assert network.action_net.weight.norm(dim=1).tolist() == pytest.approx([0.01] * 5)
    assert network.value_net.weight.norm().item() == pytest.approx(1.0)
    assert all(not p.any() for name, p in network.named_parameters() if name.endswith("bias"))


def test_zero_coordinates_stay_zero():
    layer = policy("coordconv", options={"coordinate_init": "zero"}).features_extractor.cnn[0]
    assert not layer.coordinate_weight.any()
    assert layer.image_weight.any()


def test_image_and_coordinates_are_drawn_independently():
    weight = policy("coordconv").features_extractor.cnn[0].weight.detach()
    coordinates = weight[:, 4:].flatten(1)
    for start in (0, 64, 128):
        image = weight[:, :4].flatten(1)[:, start : start + 128]
        between = torch.corrcoef(torch.cat((image, coordinates)))[:32, 32:]
        assert between.abs().max() < 0.5


class Mixed(BaseFeaturesExtractor):
    """A plain layer, a parametrised one, and modules of other kinds."""

    def __init__(self, observation_space):
        super().__init__(observation_space, 8)
        self.first = nn.Conv2d(4, 3, 3)
        self.norm = nn.GroupNorm(1, 3)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.weighted = nn.utils.parametrizations.weight_norm(nn.Linear(3, 8))

    def forward(self, images):
        return self.weighted(self.pool(self.norm(self.first(images))))


def test_what_cannot_be_paired_is_named_and_left_alone():
    kwargs = {"features_extractor_class": Mixed, "net_arch": []}
    model = PPO("CnnPolicy", Still(), device="cpu", seed=9, policy_kwargs=kwargs)
    prefix = "features_extractor."
    pairing = describe_pairing(model.policy)
    assert {name: shape for name, shape in pairing.weights.items() if prefix in name} == {
        f"{prefix}first.weight": (3, 4, 3, 3)
    }
    assert [name.removeprefix(prefix) for name in pairing.unpaired] == [
        "norm.weight", "norm.bias", "weighted.bias", "weighted.parametrizations.weight.original0",
        "weighted.parametrizations.weight.original1",
    ]  # fmt: skip
    before = {name: model.policy.state_dict()[name].clone() for name in pairing.unpaired}
    after = initialize_paired_(model.policy, 3).state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_of_a_layer_with_extra_channels_the_image_part_is_paired():
    plain, other = (describe_pairing(policy(name)) for name in ("cnn", "coordconv"))
    assert plain == other
    assert plain.unpaired == ()
    assert plain.weights["features_extractor.cnn.0.weight"] == (32, 4, 8, 8)
    assert list(plain.weights)[-2:] == ["action_net.weight", "value_net.weight"]
