"""The six extractors: sizes, what they differ in, and what they refuse."""

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import NatureCNN
from torch import nn
from torch.nn import functional as F

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.extractors import (
    EXTRACTORS,
    CoordConvCNN,
    ImpalaCNN,
    PlaceboCNN,
    PooledCNN,
    extractor_policy_kwargs,
)
from rl_coordconv.layers import (
    ConstantConv2d,
    CoordConv2d,
    ZeroMeanConv2d,
    zero_coordinate_weights_,
)

ATARI = spaces.Box(0, 255, (4, 84, 84), np.uint8)


def build(name, space=ATARI, **options):
    kwargs = extractor_policy_kwargs(name, **options)
    return kwargs["features_extractor_class"](space, **kwargs["features_extractor_kwargs"])


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("cnn", {}, 1_684_128),
        ("coordconv", {}, 1_684_128 + 4_096),
        ("coordconv", {"with_r": True}, 1_684_128 + 6_144),
        ("coordconv-all", {}, 1_684_128 + 7_296),
        ("coordconv-all", {"with_r": True}, 1_684_128 + 10_944),
        ("placebo", {}, 1_684_128 + 4_096),
        # by hand: conv 3x3 of each stage, 4 residual convs of each stage, 3872 -> 256
        ("impala", {}, (4 * 16 * 9 + 16) + (16 * 32 * 9 + 32) + (32 * 32 * 9 + 32)
         + 4 * (16 * 16 * 9 + 16) + 8 * (32 * 32 * 9 + 32) + (32 * 11 * 11 * 256 + 256)),
        ("impala-coordconv", {}, (6 * 16 * 9 + 16) + (16 * 32 * 9 + 32) + (32 * 32 * 9 + 32)
         + 4 * (16 * 16 * 9 + 16) + 8 * (32 * 32 * 9 + 32) + (32 * 11 * 11 * 256 + 256)),
    ],
)  # fmt: skip
def test_parameter_counts(name, options, parameters):
    assert count(build(name, **options)) == parameters


def test_where_each_name_puts_coordinates():
    def layers(name, kind):
        return [n for n, part in build(name).named_modules() if isinstance(part, kind)]

    assert build("cnn").__class__ is NatureCNN
    assert layers("coordconv", CoordConv2d) == ["cnn.0"]
    assert layers("coordconv-all", CoordConv2d) == ["cnn.0", "cnn.2", "cnn.4"]
    assert layers("placebo", ConstantConv2d) == ["cnn.0"]
    assert layers("placebo", CoordConv2d) == []
    assert layers("impala", CoordConv2d) == []
    assert layers("impala-coordconv", CoordConv2d) == ["cnn.0.conv"]
    assert len(layers("impala", nn.Conv2d)) == 15


@pytest.mark.parametrize("name", sorted(EXTRACTORS))
def test_policy_kwargs_are_fresh_and_have_no_hidden_layers(name):
    first, second = extractor_policy_kwargs(name), extractor_policy_kwargs(name)
    assert first == second
    assert first["net_arch"] == []
    first["features_extractor_kwargs"]["features_dim"] = 1
    first["net_arch"].append(64)
    assert extractor_policy_kwargs(name) == second
    json.dumps(second["features_extractor_kwargs"])


class Images(gym.Env):
    """Random images whose size and type are chosen."""

    def __init__(self, space=ATARI, actions=4):
        self.observation_space = space
        self.action_space = spaces.Discrete(actions)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(action == 1), False, False, {}


SMALL = spaces.Box(0, 255, (4, 40, 44), np.uint8)


def agent(name, space=SMALL, **options):
    kwargs = extractor_policy_kwargs(name, **options)
    return PPO(
        "CnnPolicy", Images(space), policy_kwargs=kwargs, n_steps=8, batch_size=8, seed=0,
        device="cpu",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["coordconv", "coordconv-all", "placebo"])
def test_two_arms_differ_by_the_extra_weights_and_nothing_else(name):
    """Same parameters but for the extra channels; those at zero, the same function and learning."""
    plain, other = agent("cnn"), agent(name)
    assert type(plain.policy) is type(other.policy)
    assert type(plain.policy.optimizer) is type(other.policy.optimizer)
    assert plain.policy.optimizer.defaults == other.policy.optimizer.defaults
    state = plain.policy.state_dict()
    assert list(state) == list(other.policy.state_dict())
    extended = {
        key: (value.shape, state[key].shape)
        for key, value in other.policy.state_dict().items()
        if value.shape != state[key].shape
    }
    prefixes = [key.split(".cnn.")[1] for key in extended]
    expected = ["0.weight", "2.weight", "4.weight"] if name == "coordconv-all" else ["0.weight"]
    assert sorted(set(prefixes)) == expected
    for wide, narrow in extended.values():
        assert (wide[0], wide[1] - 2, *wide[2:]) == tuple(narrow)

    merged = copy.deepcopy(other.policy.state_dict())
    for key, value in state.items():
        merged[key] = merged[key].clone()
        if key in extended:
            merged[key][:, : value.shape[1]] = value
        else:
            merged[key] = value.clone()
    other.policy.load_state_dict(merged)
    zero_coordinate_weights_(other.policy)
    image = torch.rand(6, 4, 40, 44, dtype=torch.float64)
    results = []
    for model in (plain, other):
        policy = model.policy.double()
        features = policy.features_extractor(image)
        latent_pi, latent_vf = policy.mlp_extractor(features)
        logits, values = policy.action_net(latent_pi), policy.value_net(latent_vf)
        (values.square().sum() + logits.logsumexp(1).sum()).backward()
        results.append((features, logits, values))
    for theirs, ours in zip(*results, strict=True):
        assert theirs.abs().max() > 1e-4
        assert torch.allclose(ours, theirs, atol=1e-12)
    gradients = {key: p.grad for key, p in plain.policy.named_parameters()}
    for key, parameter in other.policy.named_parameters():
        grad = parameter.grad
        if key in extended:
            assert grad[:, -2:].abs().max() > 0
            grad = grad[:, :-2]
        assert torch.allclose(grad, gradients[key], atol=1e-10), key


def test_sb3s_orthogonal_initialisation_reaches_the_coordinate_weights():
    weight = agent("coordconv-paper").policy.features_extractor.cnn[0].weight.detach()
    rows = weight.flatten(1)
    assert torch.allclose(rows @ rows.T, 2 * torch.eye(32), atol=1e-4)  # gain sqrt(2)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", sorted(EXTRACTORS))
def test_channels_and_sides(name, channels):
    space = spaces.Box(0, 255, (channels, 36, 50), np.uint8)
    extractor = build(name, space, features_dim=7)
    assert extractor(torch.rand(2, channels, 36, 50)).shape == (2, 7)


def test_coordinates_make_position_visible():
    """A blob's features depend on where it is beyond what shifting explains."""
    torch.manual_seed(0)
    image = torch.zeros(1, 4, 84, 84)
    for name, sees in (("cnn", False), ("placebo", False), ("coordconv", True)):
        first = build(name).cnn[0](image)
        assert (first.std(dim=(2, 3)).max() > 1e-3) == sees, name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: extractor_policy_kwargs("coordcnov"), "did you mean 'coordconv'"),
        (lambda: extractor_policy_kwargs("cnn", with_r=True), "'cnn' has no option 'with_r'"),
        (lambda: extractor_policy_kwargs("coordconv", with_rr=True), "did you mean 'with_r'"),
        (
            lambda: extractor_policy_kwargs("coordconv", where="all"),
            "the name already says 'first'",
        ),
        (
            lambda: extractor_policy_kwargs("coordconv", with_r="yes"),
            "with_r='yes' is not possible",
        ),
        (
            lambda: extractor_policy_kwargs("coordconv", features_dim=0),
            "features_dim=0 is not possible",
        ),
        (lambda: CoordConvCNN(ATARI, where="frist"), "did you mean 'first'"),
        (lambda: PlaceboCNN(ATARI, where="frist"), "did you mean 'first'"),
        (lambda: ImpalaCNN(ATARI, where="frist"), "did you mean 'first'"),
        (lambda: CoordConvCNN(ATARI, with_r=1), "with_r=1 is not possible"),
        (lambda: CoordConvCNN(ATARI, features_dim=True), "features_dim=True is not possible"),
        (lambda: ImpalaCNN(ATARI, features_dim=-1), "features_dim=-1 is not possible"),
        (lambda: extractor_policy_kwargs("coordconv", coordinate_init="zeros"), "mean 'zero'"),
        (lambda: extractor_policy_kwargs("coordconv", coordinate_scale="kernal"), "mean 'kernel'"),
        (lambda: PlaceboCNN(ATARI, coordinate_scale=0), "coordinate_scale=0 is not possible"),
        (lambda: ImpalaCNN(ATARI, coordinate_scale="kernel"), "need where='first'"),
        (lambda: extractor_policy_kwargs("cnn", coordinate_scale=0.5), "has no option"),
        (lambda: extractor_policy_kwargs("cnn", pooling="maen"), "did you mean 'mean'"),
        (lambda: PooledCNN(ATARI, pooling="avg"), "allowed: 'flatten', 'mean', 'max'"),
        (lambda: extractor_policy_kwargs(["cnn"]), r"unknown extractor \['cnn'\]"),
    ],
)
def test_wrong_names_and_options(call, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        call()


def box(shape, high=255, dtype=np.uint8, low=0):
    return spaces.Box(low, high, shape, dtype)


@pytest.mark.parametrize("cls", [CoordConvCNN, PlaceboCNN, ImpalaCNN])
@pytest.mark.parametrize(
    ("space", "message"),
    [
        (box((4,)), r"needs an image, a Box of shape \(channels, height, width\), not Box"),
        (spaces.Discrete(3), "needs an image"),
        (spaces.Dict({"a": ATARI}), "MultiInputPolicy"),
        (box((3, 7, 40)), "at least .* pixels, not 7 x 40"),
        (box((84, 84, 4)), "the channels seem to come last"),
        (box((64, 36, 40)), "should be the channels, but is not the smallest"),
        (box((3, 84, 84), high=255, dtype=np.float32), r"float32 images in \[0, 255\]; only uint8"),
        (box((3, 84, 84), high=100), r"uint8 images in \[0, 100\]; only uint8 in \[0, 255\]"),
    ],
)
def test_what_is_no_usable_image_is_refused(cls, space, message):
    with pytest.raises(InputError, match=f"{cls.__name__} .*{message}"):
        cls(space)


def test_the_smallest_image_is_as_stated():
    CoordConvCNN(box((3, 36, 36)))
    with pytest.raises(InputError, match="at least 36 x 36 pixels, not 35 x 36"):
        CoordConvCNN(box((3, 35, 36)))


@pytest.mark.parametrize("cls", [CoordConvCNN, PlaceboCNN, ImpalaCNN])
def test_float_images_need_normalize_images_off(cls):
    unit = box((3, 40, 40), high=1, dtype=np.float32)
    with pytest.raises(InputError, match="pass normalize_images=False"):
        cls(unit)
    cls(unit, normalized_image=True)
    cls(box((3, 40, 40), high=1), normalized_image=True)  # a mask
    # what VecNormalize makes of images, and what nobody knows the range of
    cls(box((3, 40, 40), low=-10, high=10, dtype=np.float32), normalized_image=True)
    cls(box((3, 40, 40), low=-np.inf, high=np.inf, dtype=np.float32), normalized_image=True)


@pytest.mark.parametrize("cls", [CoordConvCNN, PlaceboCNN, ImpalaCNN])
@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(0, 255, np.uint8), (0, 255, np.float32), (0, 1.5, np.float64), (-255, 255, np.float32)],
)
def test_images_out_of_range_are_refused_with_normalize_images_off(cls, low, high, dtype):
    message = rf"images in \[{low}, {high}\] and normalize_images=False.*allowed are \[0, 1\]"
    with pytest.raises(InputError, match=message):
        cls(box((3, 40, 40), high=high, dtype=dtype, low=low), normalized_image=True)


def test_as_many_channels_as_pixels_are_refused_as_ambiguous():
    # SB3 makes (36, 64, 36) of an image (64, 36, 36), a wrong guess.
    with pytest.raises(InputError, match="smallest side of a uint8 image"):
        CoordConvCNN(box((36, 64, 36)))


@pytest.mark.parametrize("name", ["coordconv", "coordconv-all", "placebo", "impala-coordconv"])
def test_coordinate_weights_that_start_at_zero_survive_sb3s_initialisation(name):
    policy = agent(name, coordinate_init="zero", features_dim=8).policy
    layers = [m for m in policy.modules() if isinstance(m, (CoordConv2d, ConstantConv2d))]
    assert layers
    for layer in layers:
        assert layer.coordinate_weight.count_nonzero() == 0
        assert layer.image_weight.count_nonzero() > 0
    for layer in layers:
        layer.coordinate_weight.data.fill_(1)
    policy.apply(lambda module: None)  # nobody's training is undone by a later apply
    assert all(layer.coordinate_weight.min() == 1 for layer in layers)


def test_impalas_residual_blocks_by_hand():
    """The network written out with functions of torch, from the paper's figure."""
    torch.manual_seed(0)
    extractor = build("impala", SMALL, features_dim=5).double()
    for parameter in extractor.parameters():
        parameter.data.normal_(std=0.05)
    weights = dict(extractor.named_parameters())

    def conv(x, name):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    image = torch.rand(2, 4, 40, 44, dtype=torch.float64)
    x = image
    for stage in range(3):
        x = F.max_pool2d(conv(x, f"cnn.{stage}.conv"), 3, stride=2, padding=1)
        for block in ("first_block", "second_block"):
            inner = conv(x.relu(), f"cnn.{stage}.{block}.first_conv")
            x = x + conv(inner.relu(), f"cnn.{stage}.{block}.second_conv")
    expected = F.linear(
        x.relu().flatten(1), weights["linear.0.weight"], weights["linear.0.bias"]
    ).relu()
    assert x.shape == (2, 32, 5, 6)
    assert torch.allclose(extractor(image), expected, atol=1e-12)
    assert expected.abs().max() > 0.01


def test_options_without_coordinates_are_refused_by_impala():
    with pytest.raises(InputError, match="need where='first', 'last' or 'all'"):
        ImpalaCNN(ATARI, with_r=True)


@pytest.mark.parametrize("name", ["coordconv-all", "placebo", "impala-coordconv"])
def test_the_scale_reaches_every_layer_with_extra_channels(name):
    kwargs = extractor_policy_kwargs(name, coordinate_scale="kernel")
    extractor = kwargs["features_extractor_class"](ATARI, **kwargs["features_extractor_kwargs"])
    layers = [part for part in extractor.modules() if hasattr(part, "coordinate_scale")]
    assert layers
    for layer in layers:
        height, width = layer.kernel_size
        assert layer.coordinate_scale == 1 / (height * width)


POOLED = [("cnn", PooledCNN), ("coordconv", CoordConvCNN), ("placebo", PlaceboCNN)]


def build_extractor(name, **options):
    kwargs = extractor_policy_kwargs(name, **options)
    return kwargs["features_extractor_class"](ATARI, **kwargs["features_extractor_kwargs"])


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize(("name", "cls"), POOLED)
def test_pooling_leaves_one_number_a_map(name, cls, pooling):
    extractor = build_extractor(name, pooling=pooling)
    assert type(extractor) is cls
    image = torch.rand(3, 4, 84, 84)
    maps = extractor.cnn[:6](image)
    assert maps.shape == (3, 64, 7, 7)
    flat = maps.flatten(2)
    numbers = flat.mean(dim=2) if pooling == "mean" else flat.max(dim=2).values
    torch.testing.assert_close(extractor(image), extractor.linear(numbers))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_arms_that_pool_differ_by_the_coordinate_weights_alone(pooling):
    counts = {
        name: sum(part.numel() for part in build_extractor(name, pooling=pooling).parameters())
        for name in ("cnn", "coordconv", "coordconv-all", "placebo")
    }
    cnn = 8_224 + 32_832 + 36_928 + 64 * 512 + 512  # three convolutions and the linear layer
    assert counts == {
        "cnn": cnn, "coordconv": cnn + 4_096, "coordconv-all": cnn + 7_296, "placebo": cnn + 4_096,
    }  # fmt: skip


def test_without_pooling_the_vanilla_arm_is_sb3s_own_class():
    for options in ({}, {"pooling": "flatten"}):
        kwargs = extractor_policy_kwargs("cnn", **options)
        assert kwargs["features_extractor_class"] is NatureCNN
        assert kwargs["features_extractor_kwargs"] == {}


@pytest.mark.parametrize(
    "name",
    [
        "cnn",
        "coordconv",
        "coordconv-all",
        "coordconv-paper",
        "placebo",
        "impala",
        "impala-coordconv",
    ],
)
def test_with_zero_mean_the_brightness_of_the_ground_changes_nothing(name):
    extractor = build_extractor(name, zero_mean=True)
    first, *others = (part for part in extractor.modules() if isinstance(part, torch.nn.Conv2d))
    image = torch.rand(2, 4, 84, 84)
    # In the image's middle: at its border IMPALA pads with zeros.
    answers = [first(image + ground)[:, :, 5:-5, 5:-5] for ground in (0.0, 0.3)]
    torch.testing.assert_close(*answers, atol=1e-5, rtol=0)
    # The layers behind it are what they were.
    assert all(not getattr(layer, "zero_mean", False) for layer in others)
    assert not any(isinstance(layer, ZeroMeanConv2d) for layer in others)
    plain = build_extractor(name)
    assert {key: one.shape for key, one in extractor.state_dict().items()} == {
        key: one.shape for key, one in plain.state_dict().items()
    }


@pytest.mark.parametrize("name", ["impala", "impala-coordconv"])
def test_impala_pools_too(name):
    extractor = build_extractor(name, pooling="mean")
    image = torch.rand(2, 4, 84, 84)
    maps = extractor.cnn[:-1](image)
    assert maps.shape == (2, 32, 11, 11)
    torch.testing.assert_close(extractor(image), extractor.linear(maps.mean(dim=(2, 3))))


def test_without_coordinates_a_mean_does_not_tell_where():
    def features(name, column):
        torch.manual_seed(0)
        image = torch.zeros(1, 4, 84, 84)
        image[:, :, 40:44, column : column + 4] = 1  # the stride of the convolutions is 8
        return build_extractor(name, pooling="mean").cnn(image)

    # NatureCNN's strides of 4, 2 and 1: eight pixels on, it is one place further in the maps.
    torch.testing.assert_close(features("cnn", 32), features("cnn", 40))
    torch.testing.assert_close(features("placebo", 32), features("placebo", 40))
    assert not torch.allclose(features("coordconv", 32), features("coordconv", 40))
