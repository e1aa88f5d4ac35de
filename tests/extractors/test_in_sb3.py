"""The extractors inside the agents of stable-baselines3 and sb3-contrib."""

import subprocess
import sys
import textwrap

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

import rl_coordconv
from rl_coordconv._util.errors import InputError
from rl_coordconv.extractors import (
    CoordConvCNN,
    CoordConvCnnPolicy,
    CoordConvCombinedExtractor,
    extractor_policy_kwargs,
)
from rl_coordconv.layers import CoordConv2d

IMAGE = spaces.Box(0, 255, (36, 40, 3), np.uint8)
SHORT = {"n_steps": 8, "batch_size": 8, "n_epochs": 1}


class Images(gym.Env):
    """Random observations of a space; one action is right."""

    def __init__(self, space=IMAGE):
        self.observation_space = space
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        ended = self.np_random.random() < 0.2
        return self.observation_space.sample(), float(action == 1), ended, False, {}

    def action_masks(self):
        return np.array([True, True, False])


def changed_weights(model):
    """Train a little and return which of the first layer's coordinate weights moved."""
    layer = next(m for m in model.policy.modules() if isinstance(m, CoordConv2d))
    before = layer.weight.detach().clone()
    model.learn(24)
    return (layer.weight.detach() != before)[:, layer.image_channels :]


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    ("cls", "options"), [(PPO, SHORT), (A2C, {"n_steps": 8})], ids=["ppo", "a2c"]
)
def test_on_policy_agents_learn_coordinate_weights(cls, options, share):
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    model = cls("CnnPolicy", Images(), device="cpu", seed=0, **options,
                policy_kwargs=kwargs | {"share_features_extractor": share})  # fmt: skip
    assert changed_weights(model).any()
    layers = [m for m in model.policy.modules() if isinstance(m, CoordConv2d)]
    assert len(layers) == (1 if share else 2)
    assert layers[0].image_channels == 3  # SB3 moved the channels to the front


@pytest.mark.parametrize("name", ["cnn", "coordconv-all", "placebo", "impala", "impala-coordconv"])
def test_the_other_extractors_learn(name):
    kwargs = extractor_policy_kwargs(name, features_dim=16)
    model = PPO("CnnPolicy", Images(), device="cpu", seed=0, policy_kwargs=kwargs, **SHORT)
    model.learn(16)
    assert model.policy.features_dim == 16
    assert isinstance(model.policy.action_net, torch.nn.Linear)
    assert model.policy.action_net.in_features == 16


def test_dqn_learns_and_its_target_network_follows():
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    model = DQN(
        "CnnPolicy", Images(), device="cpu", seed=0, policy_kwargs=kwargs, buffer_size=64,
        learning_starts=8, batch_size=8, train_freq=2, target_update_interval=4,
    )  # fmt: skip
    assert changed_weights(model).any()
    observation = torch.randint(0, 256, (2, 3, 36, 40), dtype=torch.uint8)
    with torch.no_grad():
        model.q_net_target(observation)  # fills the inference cache of the coordinate map
        model.q_net_target.load_state_dict(model.q_net.state_dict())
        for target, source in zip(
            model.q_net_target.parameters(), model.q_net.parameters(), strict=True
        ):
            target.data.copy_(source.data)
        assert torch.equal(model.q_net_target(observation), model.q_net(observation))


@pytest.mark.parametrize("name", ["RecurrentPPO", "MaskablePPO", "QRDQN"])
def test_sb3_contrib_agents_learn(name):
    contrib = pytest.importorskip("sb3_contrib")
    options, policy = dict(SHORT), "CnnPolicy"
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    if name == "RecurrentPPO":
        policy, kwargs = "CnnLstmPolicy", kwargs | {"lstm_hidden_size": 8}
    if name == "QRDQN":
        options = {"buffer_size": 64, "learning_starts": 8, "batch_size": 8, "train_freq": 2}
    model = getattr(contrib, name)(
        policy, Images(), device="cpu", seed=0, policy_kwargs=kwargs, **options
    )
    assert changed_weights(model).any()


def test_float_images_with_normalize_images_off():
    space = spaces.Box(0, 1, (3, 36, 40), np.float32)
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16) | {"normalize_images": False}
    model = PPO("CnnPolicy", Images(space), device="cpu", policy_kwargs=kwargs, **SHORT)
    assert changed_weights(model).any()


@pytest.mark.parametrize("name", ["coordconv", "placebo", "impala-coordconv"])
def test_images_standardised_by_vec_normalize(name):
    env = VecNormalize(DummyVecEnv([lambda: Images(spaces.Box(0, 255, (3, 36, 40), np.uint8))]))
    kwargs = extractor_policy_kwargs(name, features_dim=16) | {"normalize_images": False}
    model = PPO("CnnPolicy", env, device="cpu", policy_kwargs=kwargs, **SHORT).learn(8)
    assert model.observation_space.dtype == np.float32
    assert model.policy.features_extractor_kwargs["normalized_image"] is True


def test_stacked_frames_are_seen_as_channels():
    space = spaces.Box(0, 255, (36, 40, 1), np.uint8)
    env = VecFrameStack(DummyVecEnv([lambda: Images(space)]), 4)
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16)
    model = PPO("CnnPolicy", env, device="cpu", policy_kwargs=kwargs, **SHORT)
    layer = model.policy.features_extractor.cnn[0]
    assert (layer.image_channels, tuple(layer.weight.shape)) == (4, (32, 6, 8, 8))
    assert changed_weights(model).any()


@pytest.mark.parametrize("name", ["coordconv", "impala"])
def test_raw_pixels_with_normalize_images_off_are_refused_through_sb3(name):
    kwargs = extractor_policy_kwargs(name) | {"normalize_images": False}
    with pytest.raises(InputError, match=r"uint8 images in \[0, 255\] and normalize_images=False"):
        PPO("CnnPolicy", Images(), policy_kwargs=kwargs)


@pytest.mark.parametrize("name", ["MaskablePPO", "RecurrentPPO", "QRDQN"])
def test_coordinate_weights_start_at_zero_in_sb3_contrib_too(name):
    contrib = pytest.importorskip("sb3_contrib")
    kwargs = extractor_policy_kwargs("coordconv", features_dim=16, coordinate_init="zero")
    policy = "CnnLstmPolicy" if name == "RecurrentPPO" else "CnnPolicy"
    options = {"buffer_size": 8} if name == "QRDQN" else {}
    model = getattr(contrib, name)(policy, Images(), device="cpu", policy_kwargs=kwargs, **options)
    layers = [m for m in model.policy.modules() if isinstance(m, CoordConv2d)]
    assert layers
    for layer in layers:
        assert not layer.coordinate_weight.any()
        assert layer.image_weight.any()


def test_float_images_out_of_range_are_refused_through_sb3():
    space = spaces.Box(0, 255, (3, 36, 40), np.float32)
    kwargs = extractor_policy_kwargs("coordconv") | {"normalize_images": False}
    with pytest.raises(InputError, match=r"float32 images in \[0, 255\] and normalize"):
        PPO("CnnPolicy", Images(space), policy_kwargs=kwargs)


def test_vectors_are_refused_through_sb3():
    space = spaces.Box(-1, 1, (5,), np.float32)
    with pytest.raises(InputError, match="CoordConvCNN needs an image"):
        PPO("MlpPolicy", Images(space), policy_kwargs=extractor_policy_kwargs("coordconv"))


class TestPolicyClass:
    """CoordConvCnnPolicy as a user gives it to SB3 or the RL Zoo."""

    def test_it_is_coordconv_without_hidden_layers(self):
        model = PPO(CoordConvCnnPolicy, Images(), device="cpu", seed=0, **SHORT)
        by_kwargs = PPO("CnnPolicy", Images(), device="cpu", seed=0, **SHORT,
                        policy_kwargs=extractor_policy_kwargs("coordconv"))  # fmt: skip
        assert model.policy.features_extractor_class is CoordConvCNN
        ours, theirs = model.policy.state_dict(), by_kwargs.policy.state_dict()
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert torch.equal(value, theirs[key])

    def test_overrides_are_honoured(self):
        kwargs = {"net_arch": [8], "features_extractor_kwargs": {"where": "all", "with_r": True}}
        policy = A2C(CoordConvCnnPolicy, Images(), device="cpu", policy_kwargs=kwargs).policy
        assert policy.action_net.in_features == 8
        assert sum(isinstance(m, CoordConv2d) for m in policy.modules()) == 3

    def test_rl_zoos_way_of_naming_it(self):
        # as rl_zoo3's get_class_by_name does
        from importlib import import_module

        for name in ("rl_coordconv.extractors.CoordConvCnnPolicy", "rl_coordconv.CoordConvCNN"):
            module, _, attribute = name.rpartition(".")
            cls = getattr(import_module(module), attribute)
            assert cls.__name__ == attribute

    @pytest.mark.parametrize("share", [True, False])
    def test_a_policy_saved_alone_keeps_its_architecture(self, tmp_path, share):
        kwargs = {"share_features_extractor": share, "features_extractor_kwargs": {"where": "all"}}
        policy = PPO(CoordConvCnnPolicy, Images(), device="cpu", policy_kwargs=kwargs).policy
        policy.save(tmp_path / "policy.pth")
        loaded = CoordConvCnnPolicy.load(tmp_path / "policy.pth", device="cpu")
        assert loaded.share_features_extractor is share
        observation = torch.randint(0, 256, (2, 3, 36, 40), dtype=torch.uint8)
        with torch.no_grad():
            assert torch.equal(
                loaded.predict_values(observation), policy.predict_values(observation)
            )


class TestDict:
    """Dict observations."""

    space = spaces.Dict({
        "camera": IMAGE,
        "map": spaces.Box(0, 255, (40, 36, 1), np.uint8),
        "speed": spaces.Box(-1, 1, (3,), np.float32),
        "gear": spaces.Discrete(5),
    })  # fmt: skip

    def test_images_go_through_the_named_extractor_and_the_rest_is_flattened(self):
        kwargs = {
            "features_extractor_class": CoordConvCombinedExtractor,
            "features_extractor_kwargs": {
                "image_extractor": "coordconv-all", "cnn_output_dim": 6,
                "image_options": {"with_r": True},
            },
        }  # fmt: skip
        model = PPO("MultiInputPolicy", Images(self.space), device="cpu", seed=0,
                    policy_kwargs=kwargs, **SHORT)  # fmt: skip
        extractor = model.policy.features_extractor
        assert extractor.features_dim == 6 + 6 + 3 + 5
        layers = [m for m in extractor.modules() if isinstance(m, CoordConv2d)]
        assert len(layers) == 6
        assert {layer.image_channels for layer in layers} == {3, 1, 32, 64}
        assert all(layer.with_r for layer in layers)
        assert changed_weights(model).any()

    def test_features_lie_side_by_side_in_the_order_of_the_keys(self):
        torch.manual_seed(0)
        space = spaces.Dict({
            "a": spaces.Box(-1, 1, (2,)), "b": spaces.Box(0, 255, (1, 36, 36), np.uint8),
            "c": spaces.Box(-1, 1, (2, 3)),
        })  # fmt: skip
        extractor = CoordConvCombinedExtractor(space, cnn_output_dim=4)
        given = {"a": torch.randn(5, 2), "b": torch.rand(5, 1, 36, 36), "c": torch.randn(5, 2, 3)}
        with torch.no_grad():
            features = extractor(given)
            expected = (given["a"], extractor.extractors["b"](given["b"]), given["c"].view(5, 6))
        assert torch.equal(features, torch.cat(expected, dim=1))
        assert type(extractor.extractors["b"]) is CoordConvCNN

    @pytest.mark.parametrize("name", ["cnn", "placebo", "impala", "impala-coordconv"])
    def test_every_extractor_can_be_named(self, name):
        extractor = CoordConvCombinedExtractor(
            spaces.Dict({"b": spaces.Box(0, 255, (1, 36, 36), np.uint8)}),
            image_extractor=name, image_options={"features_dim": 3},
        )  # fmt: skip
        expected = extractor_policy_kwargs(name)["features_extractor_class"]
        assert type(extractor.extractors["b"]) is expected
        assert extractor.features_dim == 3

    def test_float_images(self):
        space = spaces.Dict({"a": spaces.Box(0, 1, (3, 40, 36), np.float32)})
        kwargs = {"features_extractor_class": CoordConvCombinedExtractor, "normalize_images": False}
        model = A2C("MultiInputPolicy", Images(space), device="cpu", policy_kwargs=kwargs)
        assert changed_weights(model).any()

    @pytest.mark.parametrize(
        ("space", "options", "message"),
        [
            (spaces.Dict({"v": spaces.Box(0, 1, (3,))}), {}, r"none of .*\['v'\] is an image"),
            (IMAGE, {}, "needs a Dict"),
            (space, {"image_extractor": "coordcon"}, "did you mean 'coordconv'"),
            (space, {"image_options": {"withr": 1}}, "did you mean 'with_r'"),
            (
                spaces.Dict({"eye": spaces.Box(0, 255, (3, 20, 20), np.uint8)}),
                {},
                "observation 'eye': CoordConvCNN needs images of at least 36 x 36",
            ),
        ],
    )
    def test_mistakes_are_named(self, space, options, message):
        with pytest.raises(ValueError, match=message):
            CoordConvCombinedExtractor(space, **options)


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True,
    )  # fmt: skip


LOAD_PLAIN = """
    import sys, numpy as np
    from stable_baselines3 import PPO
    model = PPO.load(sys.argv[1], device="cpu")
    observation = np.load(sys.argv[2])
    print(type(model.policy.features_extractor).__name__,
          *model.predict(observation, deterministic=True)[0])
    print(*model.policy.predict_values(model.policy.obs_to_tensor(observation)[0]).flatten().tolist())
"""


@pytest.mark.parametrize("policy", ["CnnPolicy", CoordConvCnnPolicy], ids=["kwargs", "class"])
def test_a_model_loads_in_plain_sb3_in_a_fresh_process(tmp_path, policy):
    kwargs = extractor_policy_kwargs("coordconv-all") if policy == "CnnPolicy" else {}
    model = PPO(policy, Images(), device="cpu", seed=0, policy_kwargs=kwargs, **SHORT).learn(16)
    model.save(tmp_path / "model")
    observation = np.random.default_rng(0).integers(0, 256, (4, 3, 36, 40), dtype=np.uint8)
    np.save(tmp_path / "observation.npy", observation)
    result = run_python(LOAD_PLAIN, tmp_path / "model.zip", tmp_path / "observation.npy")
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    actions = model.predict(observation, deterministic=True)[0]
    assert first.split() == ["CoordConvCNN", *map(str, actions)]
    with torch.no_grad():
        values = model.policy.predict_values(torch.as_tensor(observation)).flatten()
    assert np.allclose([float(v) for v in second.split()], values.numpy(), atol=1e-6)


def test_saved_import_paths_are_the_rooms_not_the_files(tmp_path):
    import base64
    import json
    import zipfile

    model = PPO(CoordConvCnnPolicy, Images(), device="cpu",
                policy_kwargs=extractor_policy_kwargs("coordconv"), **SHORT)  # fmt: skip
    model.save(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        data = json.loads(archive.read("data"))
    pickled = base64.b64decode(data["policy_kwargs"][":serialized:"]) + base64.b64decode(
        data["policy_class"][":serialized:"]
    )
    assert b"rl_coordconv.extractors" in pickled
    for file in ("nature", "policy", "registry"):
        assert f"rl_coordconv.extractors.{file}".encode() not in pickled


RENAME_AND_LOAD = """
    import sys, warnings
    import rl_coordconv.extractors as extractors
    del extractors.CoordConvCNN  # as if a later version had renamed it
    warnings.simplefilter("ignore")
    if sys.argv[2] == "plain":
        from stable_baselines3 import PPO
        PPO.load(sys.argv[1], device="cpu")
    else:
        import rl_coordconv
        rl_coordconv.load(sys.argv[1], trust=True, device="cpu")
"""


@pytest.mark.parametrize("way", ["plain", "ours"])
def test_a_class_that_is_gone_fails_loudly_instead_of_becoming_another(tmp_path, way):
    model = PPO("CnnPolicy", Images(), device="cpu",
                policy_kwargs=extractor_policy_kwargs("coordconv"), **SHORT)  # fmt: skip
    model.save(tmp_path / "model")
    result = run_python(RENAME_AND_LOAD, tmp_path / "model.zip", way)
    assert result.returncode != 0
    assert "has no attribute 'CoordConvCNN'" in result.stderr


def test_lowercase_names_are_ordinary_attribute_errors():
    with pytest.raises(AttributeError):
        rl_coordconv.extractors.nonsense  # noqa: B018
    assert not hasattr(rl_coordconv.extractors, "__path_of_nothing__")
    with pytest.raises(AttributeError, match="did you mean 'CoordConvCNN'"):
        rl_coordconv.CoordConvCN  # noqa: B018
