"""Checkpoints: whole or not there, checked when read, free of pickle."""

import hashlib
import json
import math
import shutil
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from rl_coordconv import agents
from rl_coordconv._util.errors import InputError
from rl_coordconv.runs.checkpoints import (
    Progress,
    has_checkpoint,
    load_newest_checkpoint,
    save_checkpoint,
)


def agent(seed=0):
    env = gym.make("CartPole-v1")
    return A2C("MlpPolicy", env, seed=seed, n_steps=4, device="cpu")


def save(directory, model, step):
    model.num_timesteps = step
    return save_checkpoint(directory, model, Progress(step, step / 10, resumes=1))


class Flashes(gym.Env):
    """Games as long as a rollout, so that one made anew is where the other is after a rollout."""

    observation_space = spaces.Box(0, 255, (4, 36, 44), np.uint8)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        self.time = 0
        return self.look(), {}

    def step(self, action):
        self.time += 1
        return self.look(), float(action == self.time % 3), self.time == 4, False, {}

    def look(self):
        return np.random.default_rng(self.time).integers(0, 256, (4, 36, 44)).astype(np.uint8)


class SaveAt(BaseCallback):
    """Save between two rollouts, as a run does."""

    def __init__(self, directory, step):
        super().__init__()
        self.directory, self.at = directory, step

    def _on_rollout_start(self):
        if self.num_timesteps == self.at:
            save_checkpoint(self.directory, self.model, Progress(self.at, 2.5, resumes=0))

    def _on_step(self):
        return True


def fast_agent(name, seed):
    options = {"PPO": {"batch_size": 4, "n_epochs": 2}, "A2C": {}}[name]
    return getattr(agents, name)(
        "CnnPolicy", make_vec_env(Flashes, 2), seed=seed, n_steps=4, device="cpu", verbose=0,
        precision="fp32", learning_rate=lambda left: 1e-3 * left, **options,
    )  # fmt: skip


def assert_equal(one, other, where=""):
    """Compare nested dictionaries and lists to the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_equal(*pair, f"{where}/{index}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


@pytest.mark.parametrize(
    ("name", "moments"), [("A2C", {"square_avg"}), ("PPO", {"step", "exp_avg", "exp_avg_sq"})]
)
def test_training_goes_on_exactly_as_it_would_have(tmp_path, name, moments):
    whole = fast_agent(name, seed=0)
    whole.learn(48, callback=SaveAt(tmp_path, 24))
    drawn = torch.rand(3), np.random.rand(3)

    other = fast_agent(name, seed=1)
    checkpoint = load_newest_checkpoint(tmp_path, other)
    assert checkpoint.progress == Progress(24, 2.5, resumes=0)
    checkpoint.put_generators()
    assert other.num_timesteps == 24
    before = {key: value.clone() for key, value in other.policy.state_dict().items()}
    other.learn(24, reset_num_timesteps=False)

    assert other.num_timesteps == whole.num_timesteps == 48
    assert other._n_updates == whole._n_updates
    weights = other.policy.state_dict()
    assert not all(torch.equal(weights[key], value) for key, value in before.items())
    assert_equal(weights, whole.policy.state_dict())
    optimizer = other.policy.optimizer.state_dict()
    assert moments <= optimizer["state"][0].keys()
    assert_equal(optimizer, whole.policy.optimizer.state_dict())
    assert torch.equal(torch.rand(3), drawn[0])
    assert np.array_equal(np.random.rand(3), drawn[1])
    played = [[(one["r"], one["l"]) for one in model.ep_info_buffer] for model in (whole, other)]
    assert played[0] == played[1]
    assert len(played[0]) == 12


def test_weights_that_training_alone_would_not_reach_are_put_back(tmp_path):
    """The check above would hold for a model that is merely trained anew."""
    model = fast_agent("PPO", seed=0)
    with torch.no_grad():
        model.policy.value_net.bias.fill_(math.pi)
    save(tmp_path, model, 8)
    other = fast_agent("PPO", seed=1)
    load_newest_checkpoint(tmp_path, other)
    assert other.policy.value_net.bias.item() == pytest.approx(math.pi)


def test_only_the_two_newest_stay(tmp_path):
    model = agent()
    for step in (5, 10, 15):
        save(tmp_path, model, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000000010",
        "step_000000000015",
    ]


MANIFESTS = {
    "half a manifest": '{"format_',
    "an empty manifest": "",
    "zeros for a manifest": "\0" * 300,
    "a list": "[]",
    "null": "null",
    "no checksum": '{"format_version": 1, "num_timesteps": 10, "training_seconds": 1.0, '
    '"resumes": 1}',
    "a step in words": '{"format_version": 1, "num_timesteps": "10", "training_seconds": 1.0, '
    '"resumes": 1, "sha256": "0"}',
}


@pytest.mark.parametrize("damage", ["flip a bit", "cut short", "remove", *MANIFESTS])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, damage):
    model = agent()
    save(tmp_path, model, 5)
    newest = save(tmp_path, model, 10)
    state = newest / "state.pt"
    content = bytearray(state.read_bytes())
    if damage == "flip a bit":
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif damage == "cut short":
        state.write_bytes(content[:-100])
    elif damage == "remove":
        state.unlink()
    else:
        (newest / "checkpoint.json").write_text(MANIFESTS[damage])
    with pytest.warns(UserWarning, match="step_000000000010 is damaged"):
        checkpoint = load_newest_checkpoint(tmp_path, agent())
    assert checkpoint.progress.num_timesteps == 5


def test_a_checkpoint_of_a_later_format_is_not_guessed_at(tmp_path):
    manifest = save(tmp_path, agent(), 5) / "checkpoint.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format_version": 2}))
    with pytest.warns(UserWarning, match="format version 2, this version reads 1"):
        assert load_newest_checkpoint(tmp_path, agent()) is None


def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch):
    model = agent()
    save(tmp_path, model, 5)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, model, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000000005"]


def test_there_is_none_at_first(tmp_path):
    assert not has_checkpoint(tmp_path / "checkpoints")
    assert load_newest_checkpoint(tmp_path / "checkpoints", agent()) is None


def test_nothing_in_it_is_a_pickled_object_of_ours(tmp_path):
    state = save(tmp_path, agent(), 5) / "state.pt"
    with zipfile.ZipFile(state) as archive:
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    assert len(pickles) == 1
    assert b"stable_baselines3" not in pickles[0]
    assert b"rl_coordconv" not in pickles[0]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, disk):
    save(tmp_path, agent(), 5)
    at = disk.index(("rename", "step_000000000005"))
    assert disk[at + 1 :] == [("sync", tmp_path.name)]
    # What is in it, its entries, then its name.
    assert disk[at - 3 : at] == [("sync", "checkpoint.json"), ("sync", "state.pt"),
                                 ("sync", disk[at - 1][1])]  # fmt: skip
    assert disk[at - 1][1].startswith(".step_000000000005.")


def test_another_one_of_the_same_step_takes_nothing_away_before_it_is_there(tmp_path, monkeypatch):
    model = agent()
    first = save(tmp_path, model, 5)
    removed = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(path.name))
    second = save_checkpoint(tmp_path, model, Progress(5, 9.0, resumes=7))
    assert first.name == "step_000000000005"
    assert second.name == "step_000000000005.1"
    assert not [name for name in removed if not name.startswith(".")]
    monkeypatch.undo()
    assert load_newest_checkpoint(tmp_path, agent()).progress.resumes == 7
    for number in range(2, 12):
        newest = save_checkpoint(tmp_path, model, Progress(5, 9.0, resumes=number))
        assert load_newest_checkpoint(tmp_path, agent()).progress.resumes == number
    assert newest.name == "step_000000000005.11"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000000005.10", "step_000000000005.11",
    ]  # fmt: skip


def test_a_checkpoint_of_another_agent_is_refused_rather_than_begun_over(tmp_path):
    save(tmp_path, agent(), 5)
    with pytest.raises(InputError, match="step_000000000005 does not fit this run's agent"):
        load_newest_checkpoint(tmp_path, fast_agent("A2C", seed=0))


def without(*keys):
    return lambda state: [state.pop(key) for key in keys]


def changed(*path, to):
    def change(state):
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = to

    return change


def nan_in(*path):
    def change(state):
        for key in path:
            state = state[key]
        state.view(-1)[0] = math.nan

    return change


NOT_A_TRAINING = {
    "no optimiser": without("optimizer"),
    "no weights": without("policy"),
    "no generator": without("torch_rng"),
    "an optimiser that remembers nothing": changed("optimizer", "state", to={}),
    "groups that are none": changed("optimizer", "param_groups", to=3),
    "weights in words": changed("policy", "value_net.bias", to="0.5"),
    "weights that are NaN": nan_in("policy", "value_net.weight"),
    "moments that are NaN": nan_in("optimizer", "state", 0, "square_avg"),
    "a generator of the wrong size": changed("torch_rng", to=torch.zeros(7, dtype=torch.uint8)),
    "another generator": changed("numpy_rng", 0, to="PCG64"),
    "a generator beyond its end": changed("numpy_rng", 2, to=625),
    "a step of another checkpoint": changed("num_timesteps", to=11),
    "a negative count": changed("n_updates", to=-1),
    "a score that is no number": changed("episodes", to=[{"r": "9", "l": 1.0, "t": 1.0}]),
    "a score that is infinite": changed("episodes", to=[{"r": math.inf, "l": 1.0, "t": 1.0}]),
    "a list": None,
}


def trained_agent(seed=0):
    model = agent(seed)
    model.learn(8)
    return model


@pytest.mark.parametrize("damage", NOT_A_TRAINING)
def test_a_state_that_is_no_training_s_is_found_before_any_of_it_is_used(tmp_path, damage):
    """Its checksum is right: a bug or a person wrote it so."""
    model = trained_agent()
    save(tmp_path, model, 5)
    newest = save(tmp_path, model, 10)
    state = torch.load(newest / "state.pt", weights_only=True)
    if NOT_A_TRAINING[damage] is None:
        state = [state]
    else:
        NOT_A_TRAINING[damage](state)
    torch.save(state, newest / "state.pt")
    manifest = json.loads((newest / "checkpoint.json").read_text())
    manifest["sha256"] = hashlib.sha256((newest / "state.pt").read_bytes()).hexdigest()
    (newest / "checkpoint.json").write_text(json.dumps(manifest))

    other = agent(seed=1)
    with pytest.warns(UserWarning, match="step_000000000010 is damaged"):
        checkpoint = load_newest_checkpoint(tmp_path, other)
    assert checkpoint.progress.num_timesteps == other.num_timesteps == 5
    assert_equal(other.policy.state_dict(), model.policy.state_dict())


def test_a_checkpoint_from_before_environments_were_saved_still_loads(tmp_path):
    model = trained_agent()
    newest = save(tmp_path, model, 10)
    state = torch.load(newest / "state.pt", weights_only=True)
    without("environment", "logged", "successes", "python_rng")(state)
    torch.save(state, newest / "state.pt")
    manifest = json.loads((newest / "checkpoint.json").read_text())
    manifest["sha256"] = hashlib.sha256((newest / "state.pt").read_bytes()).hexdigest()
    (newest / "checkpoint.json").write_text(json.dumps(manifest))
    checkpoint = load_newest_checkpoint(tmp_path, agent(1))
    checkpoint.put_generators()
    assert not checkpoint.resumption.is_exact
    assert checkpoint.resumption.reason == ("the checkpoint is from before environments were saved")
