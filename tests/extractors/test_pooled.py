"""Pooled encoders by name, and the other ways to keep the place: formulas, sizes, refusals."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from torch.nn import functional

from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors import (
    EXTRACTORS,
    CoordConvCNN,
    ImpalaCNN,
    PlaceboCNN,
    PlaceboImpalaCNN,
    PooledCNN,
    Role,
    extractor_policy_kwargs,
    initialize_paired_,
)
from rl_coordconv.extractors.arms import control_of, is_control
from rl_coordconv.layers import ConstantConv2d, CoordConv2d, ZeroMeanConv2d, coordinate_channels

ATARI = spaces.Box(0, 255, (4, 84, 84), np.uint8)
NATURES = ("cnn-pool", "coordconv-pool", "placebo-pool", "pool-embedding", "pool-sinusoids")
IMPOOLAS = ("impoola", "impoola-coordconv", "impoola-placebo")
ALL = (*NATURES, "spatial-softmax", *IMPOOLAS)


def build(name, space=ATARI, **options):
    kwargs = extractor_policy_kwargs(name, **options)
    return kwargs["features_extractor_class"](space, **kwargs["features_extractor_kwargs"])


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def maps_of(extractor, images):
    """Return what is pooled, as Sequential computes it."""
    return extractor.cnn[:-1](images)


POOLINGS = {
    "mean": lambda maps: maps.mean(dim=(2, 3)),
    "max": lambda maps: maps.flatten(2).max(dim=2).values,
    "softmax": lambda maps: torch.einsum(
        "nchw,ahw->nac",
        torch.softmax(maps.flatten(2), 2).view_as(maps),
        coordinate_channels(*maps.shape[2:])[0],
    ).flatten(1),
}


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", [*NATURES, *IMPOOLAS])
def test_the_last_layer_sees_the_pooled_maps(name, pooling):
    torch.manual_seed(0)
    extractor = build(name, pooling=pooling, features_dim=24)
    images = torch.rand(2, 4, 84, 84)
    maps = maps_of(extractor, images)
    assert maps.shape == ((2, 64, 7, 7) if name in NATURES else (2, 64, 11, 11))
    weight, bias = extractor.linear[0].weight, extractor.linear[0].bias
    want = functional.linear(POOLINGS[pooling](maps), weight, bias).relu()
    torch.testing.assert_close(extractor(images), want)
    assert want.abs().max() > 1e-3


def test_what_each_name_chooses():
    assert build("cnn-pool").cnn[-1].kind == "max"
    assert build("impoola").cnn[-1].kind == "mean"
    classes = {name: type(build(name)) for name in ALL}
    assert classes == {
        "cnn-pool": PooledCNN, "coordconv-pool": CoordConvCNN, "placebo-pool": PlaceboCNN,
        "pool-embedding": PooledCNN, "pool-sinusoids": PooledCNN, "spatial-softmax": PooledCNN,
        "impoola": ImpalaCNN, "impoola-coordconv": ImpalaCNN, "impoola-placebo": PlaceboImpalaCNN,
    }  # fmt: skip
    torch.manual_seed(0)
    first = build("spatial-softmax")
    torch.manual_seed(0)
    second, images = build("cnn", pooling="softmax"), torch.rand(2, 4, 84, 84)
    assert torch.equal(first(images), second(images))


NATURE = 8_224 + 32_832 + 36_928  # its three convolutions
IMPOOLA = ((4 * 32 * 9 + 32) + (32 * 64 * 9 + 64) + (64 * 64 * 9 + 64)
           + 4 * (32 * 32 * 9 + 32) + 8 * (64 * 64 * 9 + 64) + (64 * 256 + 256))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("cnn-pool", {}, NATURE + 64 * 512 + 512),
        ("cnn-pool", {"pooling": "mean"}, NATURE + 64 * 512 + 512),
        ("coordconv-pool", {"where": "first"}, NATURE + 64 * 512 + 512 + 2 * 32 * 64),
        ("coordconv-pool", {"where": "last"}, NATURE + 64 * 512 + 512 + 2 * 64 * 9),
        ("coordconv-pool", {"where": "all"}, NATURE + 64 * 512 + 512 + 7_296),
        ("spatial-softmax", {}, NATURE + 128 * 512 + 512 + 1),
        ("pool-embedding", {}, NATURE + 64 * 512 + 512 + 64 * 7 * 7),
        ("pool-sinusoids", {}, NATURE + 64 * 512 + 512),
        ("impoola", {}, IMPOOLA),
        ("impoola-coordconv", {"where": "first"}, IMPOOLA + 2 * 32 * 9),
        ("impoola-coordconv", {"where": "last"}, IMPOOLA + 2 * 64 * 9),
        ("impoola", {"embedding": "learned"}, IMPOOLA + 64 * 11 * 11),
    ],
)
def test_parameter_counts(name, options, parameters):
    assert count(build(name, **options)) == parameters


@pytest.mark.parametrize("where", ["first", "last", "all"])
@pytest.mark.parametrize(
    ("treatment", "control"),
    [("coordconv-pool", "placebo-pool"), ("impoola-coordconv", "impoola-placebo")],
)
def test_a_placebo_has_its_treatments_parameters_and_learns_with_all_of_them(
    treatment, control, where
):
    first, second = build(treatment, where=where), build(control, where=where)
    shapes = [{key: one.shape for key, one in each.named_parameters()} for each in (first, second)]
    assert shapes[0] == shapes[1]
    second(torch.rand(2, 4, 84, 84)).square().sum().backward()
    layers = [part for part in second.modules() if isinstance(part, ConstantConv2d)]
    assert not any(isinstance(part, CoordConv2d) for part in second.modules())
    for layer in layers:
        assert layer.weight.grad[:, layer.image_channels :].abs().max() > 0
    assert EXTRACTORS[treatment].control == control
    assert EXTRACTORS[control].role is Role.CONTROL
    assert is_control(control)
    arm = f"{treatment}(where={where})"
    assert control_of(arm, [control, f"{control}(where={where})"]) == f"{control}(where={where})"


@pytest.mark.parametrize("cls", [CoordConvCNN, PlaceboCNN, ImpalaCNN, PlaceboImpalaCNN])
@pytest.mark.parametrize("pooling", ["flatten", "max"])
def test_where_last_is_the_convolution_before_the_pooling(cls, pooling):
    extractor = cls(ATARI, where="last", pooling=pooling, features_dim=8)
    kind = ConstantConv2d if cls in (PlaceboCNN, PlaceboImpalaCNN) else CoordConv2d
    found = [name for name, part in extractor.named_modules() if isinstance(part, kind)]
    is_nature = cls in (CoordConvCNN, PlaceboCNN)
    assert found == (["cnn.4"] if is_nature else ["cnn.2.second_block.second_conv"])


def test_coordinates_in_the_last_convolution_by_hand():
    torch.manual_seed(0)
    extractor = build("coordconv-pool", where="last").double()
    images = torch.rand(2, 4, 84, 84, dtype=torch.float64)
    maps = extractor.cnn[:4](images)  # the second convolution's, after its ReLU
    coordinates = coordinate_channels(9, 9, dtype=torch.float64).expand(2, -1, -1, -1) / 9
    layer = extractor.cnn[4]
    seen = functional.conv2d(torch.cat((maps, coordinates), 1), layer.weight, layer.bias).relu()
    want = extractor.linear(seen.flatten(2).max(2).values)
    torch.testing.assert_close(extractor(images), want)


@pytest.mark.parametrize("where", ["first", "last", "all"])
@pytest.mark.parametrize(
    "name", ["coordconv-pool", "placebo-pool", "impoola-coordconv", "impoola-placebo"]
)
def test_zero_mean_is_the_first_convolutions_wherever_the_coordinates_are(name, where):
    extractor = build(name, where=where, zero_mean=True)
    assert_blind_to_the_ground(extractor)
    plain = build(name, where=where)
    assert {key: one.shape for key, one in extractor.state_dict().items()} == {
        key: one.shape for key, one in plain.state_dict().items()
    }


@pytest.mark.parametrize("name", ["cnn-pool", "spatial-softmax", "pool-embedding",
                                  "pool-sinusoids", "impoola"])  # fmt: skip
def test_zero_mean_without_coordinates(name):
    extractor = build(name, zero_mean=True)
    assert_blind_to_the_ground(extractor)
    assert sum(isinstance(part, ZeroMeanConv2d) for part in extractor.modules()) == 1


def assert_blind_to_the_ground(extractor):
    first, *others = (part for part in extractor.modules() if isinstance(part, torch.nn.Conv2d))
    image = torch.rand(2, 4, 84, 84)
    # In the image's middle: at its border IMPALA pads with zeros.
    answers = [first(image + ground)[:, :, 5:-5, 5:-5] for ground in (0.0, 0.3)]
    torch.testing.assert_close(*answers, atol=1e-5, rtol=0)
    assert not any(getattr(layer, "zero_mean", False) for layer in others)


@pytest.mark.parametrize("name", ["pool-embedding", "pool-sinusoids"])
def test_an_embedding_is_added_before_the_last_relu(name):
    torch.manual_seed(0)
    extractor, images = build(name), torch.rand(2, 4, 84, 84)
    with torch.no_grad():
        extractor.cnn[5].map.normal_()
    before = functional.conv2d(extractor.cnn[:4](images), extractor.cnn[4].weight,
                               extractor.cnn[4].bias)  # fmt: skip
    want = (before + extractor.cnn[5].map).relu().flatten(2).max(2).values
    torch.testing.assert_close(extractor(images), extractor.linear(want))


def test_a_learnt_embedding_begins_as_the_network_without():
    torch.manual_seed(0)
    plain = build("cnn-pool")
    torch.manual_seed(0)
    embedded, images = build("pool-embedding"), torch.rand(2, 4, 84, 84)
    assert torch.equal(plain(images), embedded(images))


def spot(column):
    image = torch.zeros(1, 4, 84, 84)
    image[:, :, 40:44, column : column + 4] = 1
    return image


KEEPS = {
    ("cnn-pool", "mean"): False, ("cnn-pool", "max"): False,
    ("placebo-pool", "max"): False, ("placebo-pool", "mean"): False,
    ("coordconv-pool", "mean"): True, ("coordconv-pool", "max"): True,
    ("pool-embedding", "mean"): True, ("pool-embedding", "max"): True,
    ("pool-sinusoids", "mean"): True, ("pool-sinusoids", "max"): True,
    ("cnn-pool", "softmax"): True,
}  # fmt: skip


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize(("name", "pooling"), KEEPS)
def test_which_arms_tell_places_apart(name, pooling, where):
    """Eight pixels on, NatureCNN's maps are the same, one place further."""
    torch.manual_seed(0)
    options = {"where": where} if "where" in EXTRACTORS[name].options else {}
    extractor = build(name, pooling=pooling, **options).double()
    if name == "pool-embedding":
        torch.nn.init.normal_(extractor.cnn[5].map)
    first, second = (extractor.cnn(spot(column).double()) for column in (32, 40))
    apart = (first - second).abs().max().item()
    assert apart > 1e-6 if KEEPS[name, pooling] else apart < 1e-14


@pytest.mark.parametrize("width", [1, 2, 3])
def test_width_multiplies_impalas_channels(width):
    stages = build("impoola", width=width).cnn[:3]
    assert [stage.conv.out_channels for stage in stages] == [16 * width, 32 * width, 32 * width]
    assert build("impoola", width=width).linear[0].in_features == 32 * width


def test_impoola_of_width_1_is_impala_with_a_mean():
    torch.manual_seed(0)
    first = build("impoola", width=1)
    torch.manual_seed(0)
    second, images = build("impala", pooling="mean"), torch.rand(2, 4, 84, 84)
    assert torch.equal(first(images), second(images))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build("cnn-pool", pooling="flatten"),
         "'cnn-pool': unknown pooling='flatten' .*allowed: 'mean', 'max', 'softmax'"),
        (lambda: build("impoola", pooling="flatten"), "allowed: 'mean', 'max', 'softmax'"),
        (lambda: build("cnn-pool", pooling="maxx"), "did you mean 'max'"),
        (lambda: build("cnn-pool", where="last"), "'cnn-pool' has no option 'where'"),
        (lambda: build("coordconv-pool", where="lsat"), "did you mean 'last'"),
        (lambda: build("coordconv", where="last"), "the name already says 'first'"),
        (lambda: build("spatial-softmax", pooling="max"), "the name already says 'softmax'"),
        (lambda: build("pool-embedding", embedding="sinusoids"), "already says 'learned'"),
        (lambda: build("impoola", embedding="sinusoid"), "did you mean 'sinusoids'"),
        (lambda: build("impoola", width=0), "width=0 is not possible .allowed: integers from 1"),
        (lambda: build("impoola", width=1.5), "width=1.5 is not possible"),
        (lambda: build("impoola", width=65), "integers from 1 to 64"),
        (lambda: ImpalaCNN(ATARI, width=True), "width=True is not possible"),
        (lambda: PooledCNN(ATARI, embedding="learned"), "needs pooling='mean', 'max' or 'softmax'"),
        (lambda: ImpalaCNN(ATARI, embedding="sinusoids"), "of flattened maps"),
        (lambda: PlaceboImpalaCNN(ATARI, with_r=True), "need where='first', 'last' or 'all'"),
    ],
)  # fmt: skip
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()


class Images(gym.Env):
    """Random images; one action is right."""

    observation_space = spaces.Box(0, 255, (44, 52, 3), np.uint8)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(action == 1), False, False, {}


@pytest.mark.parametrize("name", ALL)
def test_sb3_trains_saves_and_loads_them(name, tmp_path):
    options = {"width": 1} if name in IMPOOLAS else {}
    kwargs = extractor_policy_kwargs(name, features_dim=8, **options)
    model = PPO("CnnPolicy", Images(), device="cpu", seed=0, policy_kwargs=kwargs, n_steps=8,
                batch_size=8, n_epochs=1)  # fmt: skip
    before = copy.deepcopy(model.policy.state_dict())
    model.learn(16)
    after = model.policy.state_dict()
    assert model.policy.action_net.in_features == 8
    assert [key for key, value in after.items() if torch.equal(value, before[key])] == []
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model.zip", device="cpu")
    images = torch.randint(0, 256, (3, 3, 44, 52), dtype=torch.uint8)
    with torch.no_grad():
        want = model.policy.predict_values(images)
        assert torch.equal(loaded.policy.predict_values(images), want)


@pytest.mark.parametrize(
    ("plain", "other"),
    [("cnn-pool", "coordconv-pool"), ("cnn-pool", "placebo-pool"), ("cnn-pool", "pool-embedding"),
     ("cnn-pool", "pool-sinusoids"), ("impoola", "impoola-coordconv")],
)  # fmt: skip
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("paired", [True, False])
def test_one_seed_gives_arms_the_weights_that_they_share(plain, other, where, paired):
    states = []
    for name in (plain, other):
        options = {"where": where} if "where" in EXTRACTORS[name].options else {}
        kwargs = extractor_policy_kwargs(name, features_dim=8, **options)
        policy = A2C("CnnPolicy", Images(), device="cpu", seed=9, policy_kwargs=kwargs).policy
        states.append((initialize_paired_(policy, 3) if paired else policy).state_dict())
    for key, value in states[0].items():
        there = states[1][key]
        width = value.shape[1] if value.dim() > 1 else None
        assert torch.equal(there[:, :width] if width else there, value), key
