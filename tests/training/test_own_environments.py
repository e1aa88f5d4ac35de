"""Trainings on environments of one's own: Dict observations, other actions, normalised rewards."""

import json
from io import StringIO

import numpy as np
import own_envs
import pytest
import torch
from rich.console import Console

from rl_coordconv.agents.portable import load_portable
from rl_coordconv.envs import build_presentation, make_vec_env
from rl_coordconv.runs import RunDirectory
from rl_coordconv.runs.checkpoints import Progress, load_newest_checkpoint, save_checkpoint
from rl_coordconv.training.evaluate import load_agent
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.setup import describe_environment, make_training_env
from rl_coordconv.training.train import train


def prepared(tmp_path, preset, name, extractor="coordconv", **shown) -> RunDirectory:
    config = resolve_run(
        name, env=build_presentation(shown, "the test"), extractor=extractor, agent=preset,
        total_timesteps=64, eval_episodes=2, device="cpu", precision="fp32",
    )  # fmt: skip
    return RunDirectory.create(config, tmp_path)


def trained(run: RunDirectory) -> None:
    assert train(run, Console(file=StringIO()), ["test"]) == 0


@pytest.mark.parametrize("extractor", ["cnn", "coordconv", "placebo"])
def test_images_beside_vectors_and_several_actions(tmp_path, small_ppo, extractor):
    run = prepared(tmp_path, small_ppo, "Mixed-v0", extractor)
    assert describe_environment(run.config()) == (
        "Mixed-v0 observes image: images of 40 x 40 pixels in 3 channels, uint8, speed: "
        "Box([-1. -2.], [1. 2.], (2,), float32); actions: MultiDiscrete([4 2])"
    )
    trained(run)
    evaluation = json.loads(run.evaluation_file.read_text())
    assert evaluation["lengths"] == [5, 5]
    assert evaluation["human_normalized_mean"] is None
    # What was saved without pickle is what was trained.
    env = make_vec_env("Mixed-v0", 2, presentation=run.config().env, seed=4)
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecTransposeImage

    observations = VecTransposeImage(env).reset()
    policies = [load_portable(run.path, "cpu"), PPO.load(run.model_file, device="cpu").policy]
    values = [policy.predict_values(policy.obs_to_tensor(observations)[0]) for policy in policies]
    assert torch.equal(*values)
    assert json.loads(run.policy_file.read_text())["format_version"] == 2
    has_coordinates = extractor != "cnn"
    weights = dict(policies[0].named_parameters())
    first = weights["features_extractor.extractors.image.cnn.0.weight"]
    assert first.shape[1] == 3 + 2 * has_coordinates


def test_rendered_images_and_continuous_actions(tmp_path, small_ppo):
    run = prepared(tmp_path, small_ppo, "Blind-v0", pixels=True)
    trained(run)
    agent = load_agent(run, "cpu")
    assert agent.policy.action_space == own_envs.Blind().action_space
    action, _ = agent.policy.predict(np.zeros((1, 3, 40, 40), np.uint8), deterministic=True)
    assert action.shape == (1, 2)


def test_rewards_are_normalised_in_training_alone_and_goes_on_so(tmp_path, small_ppo):
    run = prepared(tmp_path, small_ppo, "Corners-v0", normalize={"norm_reward": True})
    trained(run)
    evaluation = json.loads(run.evaluation_file.read_text())
    assert all(score == int(score) and 0 <= score <= 5 for score in evaluation["returns"])
    from rl_coordconv.agents.build import build_agent

    def build():
        env = make_training_env(run.config(), torch.device("cpu"), 1)
        return build_agent(run.config().preset, env, seed=0, device="cpu", precision="fp32")

    model, again = build(), build()
    assert model.slow_reason is not None
    model.learn(64)
    moments = model.get_vec_normalize_env().ret_rms
    assert moments.count > 60
    save_checkpoint(tmp_path / "checkpoints", model, Progress(64, 1.0, 0))
    assert again.get_vec_normalize_env().ret_rms.count < 1
    load_newest_checkpoint(tmp_path / "checkpoints", again)
    restored = again.get_vec_normalize_env().ret_rms
    assert (restored.mean, restored.var, restored.count) == (
        moments.mean, moments.var, moments.count
    )  # fmt: skip


def test_a_directorys_name_fits_a_file_system_and_old_hashes_stay(tmp_path, small_ppo):
    run = prepared(tmp_path, small_ppo, "Corners-v0", kwargs={"side": 44})
    other = prepared(tmp_path, small_ppo, "Corners-v0", kwargs={"side": 48})
    assert run.path != other.path
    assert RunDirectory(run.path).config() == run.config()
    config = run.config().model_copy(update={"game": "my_package:A/b c-v0"})
    assert config.name.startswith("my_package_A_b_c-v0-small-ppo-coordconv-seed0-")
    # The hash of a run on a game is that of before there were other environments.
    pong = resolve_run("Pong", agent="ppo", extractor="cnn")
    assert "env" in pong.model_dump()
    assert pong.hash == "d9427fe6"
