"""The names' own coordinates: learnt as fast as a bias, beside an image part like the plain one."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from torch import nn

from rl_coordconv.extractors import (
    CoordConvCNN,
    CoordConvCnnPolicy,
    CoordConvCombinedExtractor,
    PlaceboCNN,
    extractor_policy_kwargs,
)
from rl_coordconv.layers import ConstantConv2d, CoordConv2d

PAIRS = [
    ("cnn", "coordconv"),
    ("cnn", "coordconv-all"),
    ("cnn", "placebo"),
    ("impala", "impala-coordconv"),
]


class Still(gym.Env):
    """An environment that is never stepped."""

    def __init__(self, observation_space=spaces.Box(0, 255, (4, 36, 40), np.uint8)):  # noqa: B008
        self.observation_space = observation_space
        self.action_space = spaces.Discrete(5)


def extra_layers(module):
    return [part for part in module.modules() if isinstance(part, CoordConv2d | ConstantConv2d)]


def ppo(name, **options):
    kwargs = extractor_policy_kwargs(name, features_dim=16, **options)
    return PPO("CnnPolicy", Still(), device="cpu", seed=9, policy_kwargs=kwargs)


def assert_equal_where_shared(plain, other):
    state = plain.state_dict()
    compared = 0
    for key, value in other.state_dict().items():
        if value.shape == state[key].shape:
            assert torch.equal(value, state[key]), key
        else:
            channels = state[key].shape[1]
            assert torch.equal(value[:, :channels], state[key]), key
            assert value[:, channels:].abs().max() > 0
        compared += 1
    assert compared == len(state)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RMSprop])
@pytest.mark.parametrize(("name", "times"), [("coordconv", 1), ("coordconv-paper", 64)])
def test_one_step_moves_a_filter_through_a_coordinate_as_far_as_through_its_bias(
    name, times, optimizer
):
    kwargs = extractor_policy_kwargs(name)["features_extractor_kwargs"]
    layer = CoordConvCNN(spaces.Box(0, 255, (4, 84, 84), np.uint8), **kwargs).cnn[0].double()
    image = torch.rand(1, 4, 84, 84, dtype=torch.float64)
    optimizer = optimizer(layer.parameters(), lr=1e-3, eps=1e-12)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    column = 19  # the rightmost
    layer(image)[0, :, 7, column].sum().backward()
    optimizer.step()
    through_bias = (layer.bias - before["bias"])[0]
    step = (layer.weight - before["weight"])[0, 4]  # of the weights that see x
    x = torch.linspace(-1, 1, 84, dtype=torch.float64)[4 * column : 4 * column + 8]
    through_x = (step * x * layer.coordinate_scale).sum()
    # The coordinate is not one, but what it is on average where the filter looks.
    assert (through_x / through_bias).item() == pytest.approx(times * x.mean().item(), rel=1e-6)


@pytest.mark.parametrize(("plain", "other"), PAIRS)
@pytest.mark.parametrize("share", [True, False])
def test_one_seed_gives_all_arms_the_same_shared_weights_and_random_numbers(plain, other, share):
    """Without `initialize_paired_`, in stable-baselines3's own agent."""
    policies, drawn = [], []
    for name in (plain, other):
        kwargs = extractor_policy_kwargs(name, features_dim=16)
        kwargs |= {"share_features_extractor": share}
        model = PPO("CnnPolicy", Still(), device="cpu", seed=9, policy_kwargs=kwargs)
        policies.append(model.policy)
        drawn.append(torch.rand(3))
    assert_equal_where_shared(*policies)
    assert torch.equal(*drawn)


def test_so_does_an_algorithm_that_leaves_weights_as_they_are():
    """DQN does not initialise them its own way."""
    policies = []
    for name in ("cnn", "coordconv"):
        kwargs = extractor_policy_kwargs(name, features_dim=16)
        model = DQN("CnnPolicy", Still(), device="cpu", seed=9, policy_kwargs=kwargs, buffer_size=9)
        policies.append(model.policy)
    assert_equal_where_shared(*policies)


def test_so_do_images_in_a_dict():
    image = spaces.Box(0, 255, (1, 36, 36), np.uint8)
    env = Still(spaces.Dict({"image": image, "vector": spaces.Box(-1, 1, (2,))}))
    policies = []
    for name in ("cnn", "coordconv"):
        kwargs = {"features_extractor_class": CoordConvCombinedExtractor, "net_arch": [],
                  "features_extractor_kwargs": {"image_extractor": name}}  # fmt: skip
        model = PPO("MultiInputPolicy", env, device="cpu", seed=9, policy_kwargs=kwargs)
        policies.append(model.policy)
    assert_equal_where_shared(*policies)
    (layer,) = extra_layers(policies[1].features_extractor)
    assert layer.coordinate_scale == 1 / 64


@pytest.mark.parametrize("name", ["coordconv", "coordconv-all", "placebo", "impala-coordconv"])
def test_the_names_scale_their_coordinates_in_every_layer(name):
    layers = extra_layers(ppo(name).policy.features_extractor)
    assert layers
    for layer in layers:
        assert layer.coordinate_scale == 1 / math.prod(layer.kernel_size)


def test_the_policy_class_has_the_names_form_too():
    model = PPO(CoordConvCnnPolicy, Still(), device="cpu", seed=9)
    (layer,) = extra_layers(model.policy.features_extractor)
    assert layer.coordinate_scale == 1 / 64
    paper = {"features_extractor_kwargs": {"coordinate_scale": 1.0}}
    model = PPO(CoordConvCnnPolicy, Still(), device="cpu", seed=9, policy_kwargs=paper)
    (layer,) = extra_layers(model.policy.features_extractor)
    assert layer.coordinate_scale == 1


@pytest.mark.parametrize("cls", [CoordConvCNN, PlaceboCNN])
def test_a_class_by_itself_is_what_it_was(cls):
    """Models that were saved with it hold no options."""
    (layer,) = extra_layers(cls(spaces.Box(0, 255, (4, 36, 36), np.uint8)))
    assert (layer.coordinate_scale, layer.coordinate_init) == (1.0, "default")


def test_the_published_form_initialises_the_weight_as_one_matrix():
    (layer,) = extra_layers(ppo("coordconv-paper").policy.features_extractor)
    rows = layer.weight.flatten(1)
    torch.testing.assert_close(rows @ rows.T, 2 * torch.eye(32), atol=1e-5, rtol=0)
    assert layer.coordinate_scale == 1


def test_the_coordinates_part_is_drawn_as_the_published_forms_is():
    """128 of the 384 columns of an orthogonal matrix with rows of norm sqrt(2)."""
    (layer,) = extra_layers(ppo("coordconv").policy.features_extractor)
    mean_square = layer.coordinate_weight.flatten(1).square().sum(1).mean().item()
    assert mean_square == pytest.approx(2 * 128 / 384, rel=0.1)
    image = layer.image_weight.flatten(1)
    torch.testing.assert_close(image @ image.T, 2 * torch.eye(32), atol=1e-5, rtol=0)


def test_coordinate_weights_differ_between_layers_seeds_and_the_layers_that_follow():
    layers = extra_layers(ppo("coordconv-all").policy.features_extractor)
    parts = [layer.coordinate_weight[0].flatten()[:18] for layer in layers]
    parts += [layers[1].image_weight[0].flatten()[:18]]
    kwargs = extractor_policy_kwargs("coordconv-all")
    other = PPO("CnnPolicy", Still(), device="cpu", seed=8, policy_kwargs=kwargs)
    parts += [extra_layers(other.policy.features_extractor)[0].coordinate_weight[0].flatten()[:18]]
    for index, one in enumerate(parts):
        for another in parts[:index]:
            assert abs(torch.corrcoef(torch.stack([one, another]))[0, 1]) < 0.9


def test_a_layer_alone_begins_as_the_plain_convolution_and_draws_as_much():
    torch.manual_seed(3)
    plain, after_plain = nn.Conv2d(3, 8, 5), torch.rand(2)
    torch.manual_seed(3)
    layer, after = CoordConv2d(3, 8, 5, coordinate_init="separate"), torch.rand(2)
    assert torch.equal(layer.image_weight, plain.weight)
    assert torch.equal(layer.bias, plain.bias)
    assert torch.equal(after, after_plain)
    bound = 1 / math.sqrt(5 * 25)
    assert 0.8 * bound < layer.coordinate_weight.abs().max() <= bound


def test_what_is_applied_without_initialising_draws_nothing():
    policy = ppo("coordconv").policy
    weights = {key: value.clone() for key, value in policy.state_dict().items()}
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    policy.apply(lambda module: module.train())
    assert torch.equal(torch.rand(2), expected)
    for key, value in policy.state_dict().items():
        assert torch.equal(value, weights[key])
