"""Agents on a hub, without a network: what is published, and what comes back."""

import importlib.util
import json
import shutil
import zipfile

import pytest
import yaml
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv import load_policy
from rl_coordconv._util.errors import InputError
from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.portable import save_portable
from rl_coordconv.cli import main
from rl_coordconv.envs import make_vec_env
from rl_coordconv.hub import transfer
from rl_coordconv.hub.folder import Extras, collect, write_folder
from rl_coordconv.hub.transfer import HubError
from rl_coordconv.runs import Evaluation, RunDirectory, RunState, Status
from rl_coordconv.training.resolve import resolve_run

REPO = "org/aim-coordconv"


class LocalHub:
    """A hub in a folder, with the methods that are asked of one."""

    def __init__(self, folder):
        self.folder, self.private, self.is_down = folder, None, False

    def upload(self, repo_id, contents, *, private):
        if self.is_down:
            raise ConnectionError("no network\nsecond line")
        self.private = private
        place = self.folder / repo_id
        place.mkdir(parents=True)
        for name, content in contents.items():
            (place / name).write_bytes(content)
        return f"hub/{repo_id}"

    def names(self, repo_id, revision):
        if self.is_down:
            raise ConnectionError("no network\nsecond line")
        return sorted(path.name for path in (self.folder / repo_id).iterdir())

    def download(self, repo_id, name, revision, folder):
        return shutil.copy(self.folder / repo_id / name, folder / name) and folder / name


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub = LocalHub(tmp_path / "hub")
    monkeypatch.setattr(transfer, "HuggingFace", lambda: hub)
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec",
        lambda name, *_: True if name == "huggingface_hub" else there(name),
    )  # fmt: skip
    return hub


@pytest.fixture
def run(tmp_path, monkeypatch, small_ppo):
    """A finished run as `train` leaves it, without having trained, beside files of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(OnPolicyAlgorithm, "learn", None)
    options = {"features_dim": 4}
    config = resolve_run("Aim", agent=small_ppo, device="cpu", precision="fp32",
                         extractor_kwargs=options)  # fmt: skip
    directory = RunDirectory.create(config, tmp_path / "runs")
    env = make_vec_env("Aim", 2, protocol=None)
    agent = build_agent(config.preset, env, extractor_kwargs=options, precision="fp32",
                        device="cpu")  # fmt: skip
    agent.num_timesteps = config.total_timesteps
    save_portable(agent, directory.path)
    with zipfile.ZipFile(directory.model_file, "w") as archive:
        archive.writestr("data", "{}")
    Evaluation(
        game="Aim", num_timesteps=64, protocol=None, deterministic=False, seed=0,
        returns=[1.0, 4.0], lengths=[16, 16], mean=2.5, median=2.5, std=1.5,
        human_normalized_mean=None, elsewhere={"held-out": [4.0]},
    ).save(directory.evaluation_file)  # fmt: skip
    directory.command_file.write_text(
        "python /home/me/train_atari.py --game Aim --agent /home/me/small.yaml "
        "--logdir=/home/me/runs --seed 0\n"
    )
    (directory.path / "secret.txt").write_text("secret")
    total = config.total_timesteps
    Status(state=RunState.DONE, num_timesteps=total, total_timesteps=total).save(
        directory.status_file
    )
    return directory


FILES = {"README.md", "config.yaml", "evaluation.json", "policy.json", "policy.safetensors",
         "ppo-Aim.zip", "results.json"}  # fmt: skip


def test_a_folder_alone_needs_no_network_and_holds_the_named_files(run, tmp_path, capsys):
    assert main(["push", str(run.path), "--repo-id", REPO, "--local-dir", "out"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "policy.safetensors" in capsys.readouterr().out
    assert (tmp_path / "out" / "ppo-Aim.zip").read_bytes() == run.model_file.read_bytes()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results == {"mean_reward": 2.5, "std_reward": 1.5, "is_deterministic": False,
                       "n_eval_episodes": 2}  # fmt: skip
    policy = load_policy(tmp_path / "out")
    assert policy.action_space.n == 8


def test_the_card(run, tmp_path):
    video = tmp_path / "game.mp4"
    video.write_bytes(b"film")
    contents = collect(run, REPO, Extras(video=video))
    text = contents["README.md"].decode()
    _, head, body = text.split("---\n", 2)
    data = yaml.safe_load(head)
    assert data["library_name"] == "stable-baselines3"
    assert {"Aim", "reinforcement-learning", "stable-baselines3"} <= set(data["tags"])
    (model,) = data["model-index"]
    (result,) = model["results"]
    assert result["dataset"] == {"name": "Aim", "type": "Aim"}
    assert result["metrics"][0]["value"] == "2.50 +/- 1.50"
    assert "| 2.50 | 1.50 | 2.50 | 2 |" in body
    assert "| 4.00 (held-out) |" in body
    # The command, without the folders of the machine.
    assert "rl-coordconv train --game Aim --agent small.yaml --logdir=runs --seed 0" in body
    assert "/home" not in text
    assert "secret" not in text
    assert contents["replay.mp4"] == b"film"
    assert "[replay.mp4](replay.mp4)" in body
    assert "learning_curve.png" not in body


def test_a_run_without_an_evaluation_says_so(run):
    run.evaluation_file.unlink()
    contents = collect(run, REPO)
    assert set(contents) == FILES - {"evaluation.json", "results.json"}
    text = contents["README.md"].decode()
    assert "It was not evaluated." in text
    assert "model-index" not in text


def test_there_and_back_again(run, hub, tmp_path, capsys):
    assert main(["push", str(run.path), "--repo-id", REPO, "--private"]) == 0
    assert hub.private is True
    assert f"hub/{REPO}" in capsys.readouterr().out
    assert {path.name for path in (hub.folder / REPO).iterdir()} == FILES
    assert main(["pull", REPO]) == 0
    assert "rl-coordconv evaluate aim-coordconv" in capsys.readouterr().out
    pulled = RunDirectory(tmp_path / "aim-coordconv")
    assert {path.name for path in pulled.path.iterdir()} == {
        "README.md", "config.yaml", "evaluation.json", "policy.json", "policy.safetensors",
        "status.json",
    }  # fmt: skip
    assert pulled.config() == run.config()
    assert pulled.status().state is RunState.DONE
    for name in ("policy.json", "policy.safetensors", "evaluation.json"):
        assert (pulled.path / name).read_bytes() == (run.path / name).read_bytes()


def test_nothing_is_pulled_over_something(run, hub, capsys):
    assert main(["push", str(run.path), "--repo-id", REPO]) == 0
    assert main(["pull", REPO, "--output", str(run.path.parent)]) == 2
    assert "is not empty: name a new folder" in capsys.readouterr().err


def test_a_repository_of_others_is_refused(hub, capsys):
    (hub.folder / "sb3" / "ppo-Pong").mkdir(parents=True)
    (hub.folder / "sb3" / "ppo-Pong" / "ppo-Pong.zip").write_bytes(b"pickle")
    assert main(["pull", "sb3/ppo-Pong"]) == 2
    assert "sb3/ppo-Pong holds no config.yaml: it was not published by rl-c" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["config.yaml", "policy.json", "policy.safetensors"])
def test_damaged_files_from_the_hub_are_named(run, hub, name, capsys):
    assert main(["push", str(run.path), "--repo-id", REPO]) == 0
    (hub.folder / REPO / name).write_bytes(b"{")
    assert main(["pull", REPO]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert name in error


def test_a_hub_that_cannot_be_reached_is_one_line(run, hub, capsys):
    hub.is_down = True
    assert main(["push", str(run.path), "--repo-id", REPO]) == 2
    assert capsys.readouterr().err == f"error: {REPO}: ConnectionError: no network\n"
    with pytest.raises(HubError, match="no network"):
        transfer.pull(hub, REPO, run.path.parents[1] / "new")


def test_weights_that_are_not_those_that_were_saved_are_not_published(run, capsys):
    content = bytearray(run.weights_file.read_bytes())
    content[-1] ^= 1
    run.weights_file.write_bytes(content)
    assert main(["push", str(run.path), "--repo-id", REPO, "--local-dir", "out"]) == 2
    assert "policy.safetensors" in capsys.readouterr().err


def test_a_folder_with_something_else_in_it_is_left_alone(run, tmp_path):
    contents = collect(run, REPO)
    write_folder(contents, tmp_path / "out")
    write_folder(contents, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"out holds 'notes.txt', which is no part of it"):
        write_folder(contents, tmp_path / "out")


@pytest.mark.parametrize("repo_id", ["aim", "a/b/c", "../b", "a/", "a/..b c", "[/b]/x"])
def test_names_that_are_no_repository(run, hub, repo_id, capsys):
    for words in (["push", str(run.path), "--repo-id", repo_id], ["pull", repo_id]):
        assert main(words) == 2
        assert "is no repository: it has the form organisation/name" in capsys.readouterr().err


def test_the_real_client_is_asked_for_these_files_alone(run, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    asked = {}

    class Api:
        def create_repo(self, repo_id, **options):
            asked["repo"] = (repo_id, options)

        def create_commit(self, repo_id, operations, *, commit_message):
            asked["files"] = {one.path_in_repo for one in operations}
            return "commit"

    monkeypatch.setattr(hub, "HfApi", Api)
    contents = collect(run, REPO)
    assert transfer.push(transfer.HuggingFace(), REPO, contents, private=False) == "commit"
    assert asked["files"] == FILES
    assert asked["repo"] == (REPO, {"private": False, "exist_ok": True})
