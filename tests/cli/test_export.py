"""``rl-coordconv export``: an ONNX file, and beside it what goes in and comes out."""

import hashlib
import importlib.util
import json

import pytest
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rl_coordconv.agents.build import build_agent
from rl_coordconv.agents.portable import save_portable
from rl_coordconv.cli import main
from rl_coordconv.envs import make_vec_env
from rl_coordconv.envs.actions import action_meanings
from rl_coordconv.exports import export
from rl_coordconv.exports.onnx_file import OnnxPolicy
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.training.resolve import resolve_run


@pytest.fixture
def run(tmp_path, monkeypatch, small_ppo):
    """A finished run of Pong as `train` leaves it, without having trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(OnPolicyAlgorithm, "learn", None)
    config = resolve_run("Pong", agent=small_ppo, device="cpu", precision="fp32",
                         extractor_kwargs={"features_dim": 16})  # fmt: skip
    directory = RunDirectory.create(config, tmp_path / "runs")
    env = make_vec_env("Pong", 1, protocol=config.protocol)
    agent = build_agent(config.preset, env, extractor_kwargs={"features_dim": 16}, device="cpu")
    env.close()
    save_portable(agent, directory.path)
    total = config.total_timesteps
    Status(state=RunState.DONE, num_timesteps=total, total_timesteps=total).save(
        directory.status_file
    )
    return directory


@pytest.fixture
def _without_work(monkeypatch):
    def stand_in(policy):
        versions = {name: "1.0" for name in ("torch", "onnx", "onnxscript", "onnxruntime")}
        inputs = {"observation": (policy.observation_space.shape, "uint8")}
        outputs = {"logits": ((6,), "float32"), "action": ((), "int64"), "value": ((), "float32")}
        return OnnxPolicy(b"onnx", inputs, outputs, 1e-7, versions)

    monkeypatch.setattr(export, "to_onnx", stand_in)


def test_the_file_and_its_contract(run, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from rl_coordconv.exports.onnx_file import run_onnx, sample_observations
    from rl_coordconv.training.evaluate import load_agent

    assert main(["export", str(run.path), "--onnx", "pong.onnx"]) == 0
    out = capsys.readouterr().out
    assert "pong.onnx (0.6 MB): observation (batch, 4, 84, 84) uint8 in; logits, action, val" in out
    with open("pong.onnx", "rb") as file:
        content = file.read()
    contract = json.loads((run.path.parents[1] / "pong.onnx.json").read_text())
    assert contract["file"] == "pong.onnx"
    assert contract["sha256"] == hashlib.sha256(content).hexdigest()
    policy = load_agent(run, "cpu").policy
    arrays = sample_observations(policy.observation_space, 3)
    found = run_onnx(content, arrays)
    wanted, _ = policy.predict(arrays["observation"], deterministic=True)
    assert found["action"].tolist() == wanted.tolist()
    for name, told in contract["outputs"].items():
        assert [3, *told["shape"][1:]] == list(found[name].shape)
        assert told["dtype"] == str(found[name].dtype)


@pytest.mark.usefixtures("_without_work")
def test_what_the_contract_says(run):
    assert main(["export", str(run.path), "--onnx", "pong.onnx"]) == 0
    contract = json.loads((run.path.parents[1] / "pong.onnx.json").read_text())
    seen = contract["inputs"]["observation"]
    assert seen["shape"] == ["batch", 4, 84, 84]
    assert seen["dtype"] == "uint8"
    assert seen["layout"] == ["batch", "channels", "height", "width"]
    assert contract["actions"]["meanings"] == [
        "NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"
    ]  # fmt: skip
    preprocessing = contract["preprocessing"]
    assert preprocessing["environment"] == "Pong"
    assert preprocessing["protocol"]["frame_skip"] == 4
    assert preprocessing["protocol"]["life_loss_ends_episode"] is False  # as one plays, not trains
    assert preprocessing["in_the_file"] == "images are divided by 255"
    assert "maximum over the last two of 4 emulator frames" in preprocessing["images"]
    assert contract["training"]["run"] == run.path.name
    assert contract["training"]["discount"] == 0.99
    assert set(contract["versions"]) == {
        "rl-coordconv", "torch", "onnx", "onnxscript", "onnxruntime"
    }  # fmt: skip


@pytest.mark.usefixtures("_without_work")
def test_a_run_that_is_not_done_is_exported_with_a_note(run, capsys):
    run.status_file.unlink()
    assert main(["export", str(run.path), "--onnx", "pong.onnx"]) == 0
    assert "note: the run is pending: the agent is that of 0 of" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_what_is_not_installed_is_named_first(run, monkeypatch, capsys, missing):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == missing else there(name)
    )
    assert main(["export", str(run.path), "--onnx", "pong.onnx"]) == 2
    assert f"writing ONNX needs {missing}, which is not installed: pip install 'rl-coordconv" in (
        capsys.readouterr().err
    )
    assert not (run.path.parents[1] / "pong.onnx").exists()


def test_names_of_actions_are_asked_for():
    aim = make_vec_env("Aim", 2, protocol=None)
    assert action_meanings(aim) == [f"column {index}" for index in range(8)]
    aim.env_method = lambda *_, **__: [["too", "few"]]
    assert action_meanings(aim) is None
    aim.env_method = lambda *_, **__: [7]
    assert action_meanings(aim) is None
    aim.close()


def test_an_environment_without_names_has_none():
    from own_envs import Corners
    from stable_baselines3.common.vec_env import DummyVecEnv

    env = DummyVecEnv([Corners])
    assert action_meanings(env) is None
