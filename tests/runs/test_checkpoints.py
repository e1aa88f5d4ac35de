"""Checkpoints: whole or not there, checked when read, free of pickle."""

import json
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C

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


def test_training_goes_on_exactly_as_it_would_have(tmp_path):
    model = agent().learn(40)
    model.ep_info_buffer.append({"r": 21.0, "l": 300, "t": 1.5})
    save_checkpoint(tmp_path, model, Progress(40, 2.5, resumes=0))
    drawn = torch.rand(3), np.random.rand(3)

    other = agent(seed=1)
    progress = load_newest_checkpoint(tmp_path, other)
    assert progress == Progress(40, 2.5, resumes=0)
    assert other.num_timesteps == 40
    assert other._n_updates == model._n_updates
    assert other.ep_info_buffer[-1] == {"r": 21.0, "l": 300.0, "t": 1.5}
    assert torch.equal(torch.rand(3), drawn[0])
    assert np.array_equal(np.random.rand(3), drawn[1])
    for name, value in model.policy.state_dict().items():
        assert torch.equal(other.policy.state_dict()[name], value), name
    before, after = model.policy.optimizer.state_dict(), other.policy.optimizer.state_dict()
    assert before["param_groups"] == after["param_groups"]
    for index, state in before["state"].items():
        assert torch.equal(state["square_avg"], after["state"][index]["square_avg"])


def test_only_the_two_newest_stay(tmp_path):
    model = agent()
    for step in (5, 10, 15):
        save(tmp_path, model, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000000010",
        "step_000000000015",
    ]


@pytest.mark.parametrize("damage", ["flip a bit", "cut short", "remove", "bad manifest"])
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
        (newest / "checkpoint.json").write_text('{"format_')
    with pytest.warns(UserWarning, match="step_000000000010 is damaged"):
        progress = load_newest_checkpoint(tmp_path, agent())
    assert progress.num_timesteps == 5


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
