"""Policies without pickle: equal after loading, and refused when something is wrong."""

import hashlib
import json
import subprocess
import sys
import textwrap
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from safetensors.torch import load_file
from stable_baselines3 import A2C, DQN, PPO
from torch import nn

import rl_coordconv
from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.agents.portable import (
    DESCRIPTION,
    WEIGHTS,
    load_portable,
    read_portable,
    save_portable,
)
from rl_coordconv.extractors import (
    EXTRACTORS,
    CoordConvCnnPolicy,
    CoordConvCombinedExtractor,
    extractor_policy_kwargs,
)

IMAGE = spaces.Box(0, 255, (4, 36, 40), np.uint8)


class Still(gym.Env):
    """An environment that is never stepped."""

    def __init__(self, space=IMAGE, actions=None):
        self.observation_space = space
        self.action_space = actions or spaces.Discrete(5)


def agent(name="coordconv", cls=PPO, policy="CnnPolicy", env=None, **policy_kwargs):
    kwargs = extractor_policy_kwargs(name, features_dim=16) | policy_kwargs
    model = cls(policy, env or Still(), device="cpu", seed=0, policy_kwargs=kwargs)
    with torch.no_grad():  # heads as they are after training, not nearly zero
        for parameter in model.policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def observations(space=IMAGE):
    space.seed(0)
    return torch.as_tensor(np.stack([space.sample() for _ in range(3)]))


def outputs(policy, images):
    with torch.no_grad():
        logits = policy.get_distribution(images).distribution.logits
        return torch.cat((logits, policy.predict_values(images)), dim=1)


CASES = {
    "cnn": {"name": "cnn"},
    "unshared": {"share_features_extractor": False},
    "all": {"name": "coordconv-all"},
    "placebo": {"name": "placebo", "cls": A2C},
    "impala": {"name": "impala"},
    "impala-coordconv": {"name": "impala-coordconv", "net_arch": {"pi": [6], "vf": [7, 8]}},
    "relu": {"net_arch": [9], "activation_fn": nn.ReLU},
    "class": {"policy": CoordConvCnnPolicy},
    "floats": {
        "env": Still(spaces.Box(0, 1, (3, 36, 36), np.float32)),
        "normalize_images": False,
    },
}


VARIANTS = [
    {},
    {"pooling": "mean"},
    {"pooling": "softmax", "zero_mean": True},
    {"where": "last"},
    {"embedding": "learned", "width": 1},
    {"embedding": "sinusoids", "width": 1},
]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (name, options)
        for name, spec in EXTRACTORS.items()
        for options in VARIANTS
        if set(options) <= set(spec.options)
    ],
    ids=str,
)
def test_every_extractor_there_is_computes_the_same_after_loading(name, options, tmp_path):
    options = extractor_policy_kwargs(name, features_dim=16, **options)
    model = agent(name, **options)
    save_portable(model, tmp_path)
    loaded, images = load_portable(tmp_path, device="cpu"), observations()
    assert loaded.features_extractor_class is options["features_extractor_class"]
    assert torch.equal(outputs(loaded, images), outputs(model.policy, images))


@pytest.mark.parametrize("case", sorted(CASES))
def test_it_computes_the_same_after_loading(case, tmp_path):
    model = agent(**CASES[case])
    save_portable(model, tmp_path)
    loaded = load_portable(tmp_path, device="cpu")
    assert type(loaded) is type(model.policy)
    assert not loaded.training
    images = observations(model.observation_space)
    expected = outputs(model.policy, images)
    assert expected.std() > 1e-3
    assert torch.equal(outputs(loaded, images), expected)
    assert list(loaded.state_dict()) == list(model.policy.state_dict())
    predicted, _ = loaded.predict(images.numpy(), deterministic=True)
    assert predicted.tolist() == expected[:, :5].argmax(1).tolist()


FRESH = """
    import pickle, sys
    import cloudpickle, numpy as np, torch, torch._dynamo
    import rl_coordconv
    load_policy = rl_coordconv.load_policy
    def refuse(*args, **kwargs):
        raise RuntimeError("something was unpickled")
    pickle.load = pickle.loads = cloudpickle.load = cloudpickle.loads = torch.load = refuse
    policy = load_policy(sys.argv[1], device="cpu")
    images = torch.as_tensor(np.load(sys.argv[2]))
    with torch.no_grad():
        print(*policy.get_distribution(images).distribution.logits.flatten().tolist())
"""


@pytest.mark.parametrize("share", [True, False])
def test_it_loads_in_a_fresh_process_without_pickle(share, tmp_path):
    model = agent(share_features_extractor=share)
    save_portable(model, tmp_path)
    images = observations()
    np.save(tmp_path / "images.npy", images.numpy())
    code = textwrap.dedent(FRESH)
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(tmp_path / "images.npy")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    logits = [float(word) for word in result.stdout.split()]
    expected = outputs(model.policy, images)[:, :5].flatten().tolist()
    assert logits == pytest.approx(expected, abs=1e-6)


def test_a_shared_extractor_is_stored_once(tmp_path):
    save_portable(agent(), tmp_path)
    stored = load_file(tmp_path / WEIGHTS)
    assert sorted(name.split(".")[0] for name in stored) == sorted(
        ["features_extractor"] * 8 + ["action_net"] * 2 + ["value_net"] * 2
    )
    assert stored["features_extractor.cnn.0.weight"].shape == (32, 6, 8, 8)


def test_what_the_description_says(tmp_path):
    save_portable(agent("coordconv-all"), tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == [DESCRIPTION, WEIGHTS]
    said = json.loads((folder / DESCRIPTION).read_text())
    assert said["format_version"] == 1
    assert said["algorithm"] == "PPO"
    assert said["features_extractor"] == "rl_coordconv.extractors.CoordConvCNN"
    assert said["features_extractor_kwargs"] == {
        "where": "all", "features_dim": 16,
        "coordinate_scale": "kernel", "coordinate_init": "separate",
    }  # fmt: skip
    assert said["net_arch"] == []
    assert said["share_features_extractor"] is True
    assert said["actions"] == 5
    assert said["observation_space"] == {
        "shape": [4, 36, 40], "dtype": "uint8", "low": 0, "high": 255,
    }  # fmt: skip
    assert said["sha256"] == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert said["versions"]["rl-coordconv"] == rl_coordconv.__version__


def change(folder, **changes):
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def forget(folder, entry):
    path = folder / DESCRIPTION
    description = json.loads(path.read_text())
    del description[entry]
    path.write_text(json.dumps(description))


DAMAGES = {
    "version": (lambda f: change(f, format_version=3), "format version 3.*reads 1"),
    "hash": (lambda f: change(f, sha256="0"), "does not match the checksum"),
    "json": (lambda f: (f / DESCRIPTION).write_text("{"), "is damaged"),
    "list": (lambda f: (f / DESCRIPTION).write_text("[]"), "is damaged"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "policy.safetensors is missing"),
    "no description": (lambda f: (f / DESCRIPTION).unlink(), "policy.json is missing"),
    "shape": (lambda f: change(f, net_arch=[5]), "does not describe the weights"),
    "fewer weights": (
        lambda f: change(f, share_features_extractor=False),
        "does not describe the weights",
    ),
    "option": (
        lambda f: change(f, features_extractor_kwargs={"hidden": 1}),
        "does not describe the weights",
    ),
    "forgotten": (
        lambda f: forget(f, "activation"),
        "policy.json is damaged: it is not valid: activation: missing",
    ),
    "foreign class": (
        lambda f: change(f, features_extractor="subprocess.Popen"),
        "unknown extractor 'subprocess.Popen'.*allowed: rl_coordconv.extractors.CoordConvCNN",
    ),
    "foreign policy": (lambda f: change(f, policy="os.system"), "unknown policy 'os.system'"),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damaged_and_foreign_files_are_refused(damage, tmp_path):
    save_portable(agent(), tmp_path)
    spoil, message = DAMAGES[damage]
    spoil(tmp_path)
    with pytest.raises((InputError, UnknownNameError), match=message):
        load_portable(tmp_path, device="cpu")


def test_one_changed_byte_of_the_weights_is_noticed(tmp_path):
    save_portable(agent(), tmp_path)
    content = bytearray((tmp_path / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError, match="does not match the checksum"):
        load_portable(tmp_path, device="cpu")


def test_both_files_are_on_the_disk_the_description_last(tmp_path, disk):
    save_portable(agent(), tmp_path)
    kinds = [kind for kind, _ in disk]
    assert kinds == ["sync", "rename", "sync"] * 2
    assert [disk[1][1], disk[4][1]] == [WEIGHTS, DESCRIPTION]
    assert [disk[0][1].startswith(f".{WEIGHTS}."), disk[3][1].startswith(f".{DESCRIPTION}.")] == [
        True, True,
    ]  # fmt: skip
    assert {disk[2][1], disk[5][1]} == {tmp_path.name}


def test_a_failed_save_leaves_the_old_files(tmp_path, monkeypatch):
    model = agent()
    save_portable(model, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model.policy.action_net.bias.data.add_(1)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        save_portable(model, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


class OwnCNN(rl_coordconv.CoordConvCNN):
    """A user's subclass."""


COMBINED = {
    "features_extractor_class": CoordConvCombinedExtractor,
    "features_extractor_kwargs": {},
}
REFUSED = {
    "subclass": (lambda: agent(features_extractor_class=OwnCNN), r"extractor .*OwnCNN cannot"),
    "dqn": (lambda: agent(cls=DQN), "policy .*dqn.* cannot be saved without pickle"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*precision lowered:UserWarning")
@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_the_format_does_not_know_is_refused_at_saving(case, tmp_path):
    build, message = REFUSED[case]
    model = build()
    with pytest.raises(InputError, match=message):
        save_portable(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


UNEVEN = spaces.Box(
    np.zeros((3, 36, 36), np.float32),
    np.linspace(0.5, 1, 3888, dtype=np.float32).reshape(3, 36, 36),
)
NEWER = {
    "dict": lambda: agent(policy="MultiInputPolicy", env=Still(spaces.Dict({"a": IMAGE})),
                          **COMBINED),
    "several actions": lambda: agent(env=Still(actions=spaces.MultiDiscrete([2, 3]))),
    "switches": lambda: agent(env=Still(actions=spaces.MultiBinary(3))),
    "continuous": lambda: agent(env=Still(actions=spaces.Box(-1, 1, (2,), np.float32))),
    "bounds": lambda: agent(env=Still(UNEVEN), normalize_images=False),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(NEWER))
def test_what_format_1_could_not_say_is_saved_in_format_2(case, tmp_path):
    model = NEWER[case]()
    save_portable(model, tmp_path)
    assert json.loads((tmp_path / DESCRIPTION).read_text())["format_version"] == 2
    loaded = load_portable(tmp_path, "cpu")
    assert loaded.observation_space == model.observation_space
    assert loaded.action_space == model.action_space
    seen = model.observation_space
    seen.seed(0)
    batch = [seen.sample() for _ in range(3)]
    if isinstance(seen, spaces.Dict):
        given = {"a": torch.as_tensor(np.stack([one["a"] for one in batch]))}
    else:
        given = torch.as_tensor(np.stack(batch))
    for policy in (loaded, model.policy):
        policy.set_training_mode(False)
    with torch.no_grad():
        assert torch.equal(loaded.predict_values(given), model.policy.predict_values(given))
        assert torch.equal(loaded.get_distribution(given).mode(),
                           model.policy.get_distribution(given).mode())  # fmt: skip


def test_what_format_1_can_say_stays_in_format_1(tmp_path):
    save_portable(agent(), tmp_path)
    description = json.loads((tmp_path / DESCRIPTION).read_text())
    assert (description["format_version"], description["actions"]) == (1, 5)


CLAIMS = {
    "a large image": (
        {"observation_space": {"shape": [4, 20000, 20000], "dtype": "uint8", "low": 0,
                               "high": 255}},
        "features_extractor.linear.0.weight is .16, 64. there and .16, [0-9]{9,}. here",
    ),
    "many features": (
        {"features_extractor_kwargs": {"features_dim": 200_000}},
        "value_net.weight|action_net.weight is .5, 16. there and .5, 200000. here",
    ),
    "many units": ({"net_arch": [2**20, 2**20]}, "mlp_extractor"),
    "many layers": ({"net_arch": [1] * 65}, "net_arch"),
    "many actions": ({"actions": 2**26}, "action_net.bias is .5,. there and .67108864,. here"),
    "too many actions": ({"actions": 10**30}, "is no number from 1 to"),
    "many channels": (
        {"observation_space": {"shape": [2**26, 2**26, 2**26], "dtype": "uint8", "low": 0,
                               "high": 255}},
        "policy.json describes no policy: CoordConvCNN was given",
    ),
    "large elements": (
        {"observation_space": {"shape": [4, 36, 40], "dtype": "V1000000000", "low": 0, "high": 0}},
        "is no type of numbers",
    ),
    "a word for a number": ({"num_timesteps": "5"}, "num_timesteps"),
    "an unknown key": ({"colour": 1}, "colour: unknown key"),
}  # fmt: skip


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_what_a_description_claims_is_compared_before_anything_is_built(claim, tmp_path):
    save_portable(agent(), tmp_path)
    changes, message = CLAIMS[claim]
    change(tmp_path, **changes)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message):
            load_portable(tmp_path, device="cpu")
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value, tmp_path):
    model = agent()
    with torch.no_grad():
        model.policy.action_net.bias[0] = value
    save_portable(model, tmp_path)
    with pytest.raises(InputError, match=r"action_net.bias holds numbers that are NaN or infinite"):
        load_portable(tmp_path, device="cpu")


def test_files_of_a_hubs_cache_may_be_links_and_those_of_a_run_may_not(tmp_path):
    save_portable(agent(), tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for name in (WEIGHTS, DESCRIPTION):
        (tmp_path / "snapshot" / name).symlink_to(tmp_path / "blobs" / name)
    assert load_portable(tmp_path / "snapshot", device="cpu") is not None
    with pytest.raises(InputError, match="policy.json is a link"):
        read_portable(tmp_path / "snapshot", device="cpu")
