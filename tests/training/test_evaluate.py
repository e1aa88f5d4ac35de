"""Evaluation: full episodes, raw scores, own seeds, and what the coordinates are worth."""

import json
import shutil
import signal
import subprocess
import sys
from io import StringIO

import numpy as np
import pytest
import torch
from rich.console import Console

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli.evaluate import run as evaluate_command
from rl_coordconv.envs import AtariVecEnv, load_protocol
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.runs.seeds import evaluation_seed
from rl_coordconv.training.evaluate import (
    Ablation,
    Evaluation,
    ablate_coordinates,
    load_agent,
    play,
    unfinished_note,
)
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.summary import describe_ablation, describe_evaluation
from rl_coordconv.training.train import train
from rl_coordconv.training.video import record_video


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_ppo):
    """Return a run of a few steps of Breakout, whose random games are short."""
    config = resolve_run(
        "Breakout", agent=small_ppo, total_timesteps=32, eval_episodes=0, device="cpu"
    )
    run = RunDirectory.create(config, tmp_path_factory.mktemp("runs"))
    train(run, Console(file=StringIO()))
    return run


def test_it_counts_whole_games_with_raw_scores_on_the_evaluation_seeds(trained):
    agent = load_agent(trained, "cpu")
    evaluation = play(agent, 2)
    assert evaluation.seed == evaluation_seed(0)

    # The same games by hand: lives go on, rewards add up unclipped until all five are lost.
    env = AtariVecEnv(
        "Breakout", 2, protocol=load_protocol("deepmind").for_evaluation(), seed=evaluation.seed
    )
    torch.manual_seed(evaluation.seed)
    observation, totals, finished = env.reset(), np.zeros(2), {}
    while len(finished) < 2:
        actions, _ = agent.policy.predict(observation, deterministic=False)
        observation, rewards, dones, infos = env.step(actions)
        totals += rewards
        for index in np.flatnonzero(dones):
            finished.setdefault(index, (totals[index], infos[index]["episode"]["l"]))
    env.close()
    assert sorted(evaluation.returns) == sorted(score for score, _ in finished.values())
    assert sorted(evaluation.lengths) == sorted(length for _, length in finished.values())
    assert evaluation.mean == np.mean(evaluation.returns)
    assert evaluation.std == np.std(evaluation.returns)
    assert evaluation.human_normalized_mean == pytest.approx((evaluation.mean - 1.7) / 28.8)


def test_the_same_repetition_plays_the_same_games_and_another_plays_others(trained):
    agent = load_agent(trained, "cpu")
    first, again, other = play(agent, 4), play(agent, 4), play(agent, 4, repetition=1)
    assert first == again
    assert other.seed != first.seed
    assert (first.returns, first.lengths) != (other.returns, other.lengths)


def test_ablation_zeroes_the_coordinates_and_puts_them_back(trained):
    agent = load_agent(trained, "cpu")
    observation = torch.randint(0, 256, (1, 4, 84, 84), dtype=torch.uint8)
    with torch.no_grad():
        before = agent.policy.extract_features(observation)
        result = ablate_coordinates(agent, 2)
        after = agent.policy.extract_features(observation)
    assert torch.equal(before, after)
    assert result.ablated.ablated
    assert not result.intact.ablated
    assert result.ablated.seed == result.intact.seed
    assert result.lost == result.intact.mean - result.ablated.mean


def test_ablation_without_coordinates_is_refused(tmp_path, small_ppo):
    config = resolve_run(
        "Pong", extractor="cnn", agent=small_ppo, total_timesteps=32, eval_episodes=0
    )
    run = RunDirectory.create(config, tmp_path)
    train(run, Console(file=StringIO()))
    with pytest.raises(InputError, match="extractor 'cnn' has no coordinate channels"):
        ablate_coordinates(load_agent(run, "cpu"), 1)


def evaluation(mean, **changes):
    values = {"game": "Pong", "num_timesteps": 1, "protocol": "deepmind", "deterministic": False,
              "seed": 0, "returns": [mean], "lengths": [1], "mean": mean, "median": mean,
              "std": 0.0, "human_normalized_mean": 0.5}  # fmt: skip
    return Evaluation(**(values | changes))


def test_what_was_lost_is_a_share_of_what_was_learned():
    ablation = Ablation(evaluation(-0.7), evaluation(-10.7, ablated=True))
    assert ablation.lost == pytest.approx(10.0)
    assert ablation.share_lost == pytest.approx(0.5)  # a random agent has -20.7
    text = describe_ablation(ablation)
    assert "played without coordinates 1 episodes" in text
    assert "cost 10.0 points of the mean, 50% of what the agent has over a random one" in text
    assert Ablation(evaluation(-21.0), evaluation(-21.0)).share_lost is None


def test_a_score_is_told_beside_the_random_and_the_human_one():
    text = describe_evaluation(evaluation(-3.0))
    assert "raw score mean -3.0, median -3.0, standard deviation 0.0" in text
    assert "random agent -20.7, human 14.6: human-normalised 0.50" in text


def test_no_games_and_no_model_are_refused(trained, tmp_path):
    with pytest.raises(InputError, match="episodes 0 is not at least 1"):
        play(load_agent(trained, "cpu"), 0)
    with pytest.raises(InputError, match="is not a run directory"):
        load_agent(RunDirectory(tmp_path))
    fresh = RunDirectory.create(resolve_run("Pong"), tmp_path)
    missing = r"holds no saved policy: policy.json is missing \(status: pending\)"
    with pytest.raises(InputError, match=missing):
        load_agent(fresh)


KILLED = """
import io, os, signal, sys
from rich.console import Console
from rl_coordconv.training import train as module
from rl_coordconv.training.callbacks import CheckLosses
from rl_coordconv.runs import RunDirectory, RunState, Status

class Die(CheckLosses):
    def _on_step(self):
        if self.num_timesteps == 110:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

module.CheckLosses = Die
module.HEARTBEAT_SECONDS = 0.0
save_and_stop = module.SaveAndStop
module.SaveAndStop = lambda *arguments: save_and_stop(*arguments, heartbeat_seconds=0.0)
module.train(RunDirectory(sys.argv[1]), Console(file=io.StringIO()))
"""


def test_after_a_kill_it_tells_of_the_weights_that_it_loads(tmp_path, small_ppo, capsys):
    """The run had come further than what it last saved for others, and its status says so."""
    options = {"eval_episodes": 0, "device": "cpu", "precision": "fp32"}
    config = resolve_run("Aim", agent=small_ppo, total_timesteps=160, **options)
    run = RunDirectory.create(config, tmp_path)
    first = config.model_copy(
        update={"preset": config.preset.model_copy(update={"n_timesteps": 64})}
    )
    first.save(run.config_file)
    train(run, Console(file=StringIO()))  # leaves what a run leaves that is stopped after 64 steps
    config.save(run.config_file)
    Status(state=RunState.INTERRUPTED, num_timesteps=64, total_timesteps=160).save(run.status_file)

    done = subprocess.run([sys.executable, "-c", KILLED, str(run.path)], check=False)
    assert done.returncode == -signal.SIGKILL
    status = run.status()
    # It says that it runs, and its process is gone.
    assert Status.load(run.status_file).state is RunState.RUNNING
    assert (status.state, status.num_timesteps) == (RunState.INTERRUPTED, 108)
    agent = load_agent(run, "cpu")
    assert agent.num_timesteps == 64
    assert unfinished_note(agent) == (
        "the run is interrupted: the agent is that of 64 of 160 steps"
    )
    assert evaluate_command([str(run.path), "--episodes", "1", "--device", "cpu",
                             "--output", str(tmp_path / "out.json")]) == 0  # fmt: skip
    assert "the agent is that of 64 of 160 steps" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["num_timesteps"] == 64

    train(run, Console(file=StringIO()))  # from the checkpoint at 64 steps to the end
    agent = load_agent(run, "cpu")
    assert agent.num_timesteps == 160
    assert unfinished_note(agent) is None


def test_a_count_that_is_none_is_refused(trained, tmp_path):
    copy = RunDirectory(tmp_path / "copy")
    shutil.copytree(trained.path, copy.path)
    text = copy.policy_file.read_text()
    for wrong in ('"32"', "-1", "true", "null", "3.5"):
        copy.policy_file.write_text(
            text.replace('"num_timesteps": 32', f'"num_timesteps": {wrong}')
        )
        with pytest.raises(InputError, match="policy.json is damaged: .*num_timesteps"):
            load_agent(copy, "cpu")


# imageio-ffmpeg's reader, used here to look at the video, leaves its pipes to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_episode_is_recorded_in_colour_and_real_time(trained, tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "game.mp4"
    video = record_video(load_agent(trained, "cpu"), path)
    assert video.score >= 0
    assert video.is_full_episode
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    frames = [np.frombuffer(frame, np.uint8).reshape(630, 480, 3) for frame in reader]
    assert facts["size"] == (480, 630)
    assert facts["fps"] == 15
    assert len(frames) == round(video.seconds * 15)
    # The bricks' rows differ in hue: the video shows the screen, not the agent's grey 84 x 84.
    colours = np.unique(frames[0].reshape(-1, 3) // 32, axis=0)
    assert (colours.max(axis=1) != colours.min(axis=1)).sum() >= 4
    assert any(not np.array_equal(frames[0], frame) for frame in frames[1:])


def test_a_video_into_a_folder_that_is_not_there_is_refused(trained, tmp_path):
    with pytest.raises(InputError, match=r"the folder .*nowhere for the video does not exist"):
        record_video(load_agent(trained, "cpu"), tmp_path / "nowhere" / "game.mp4")


def test_a_video_in_another_format_is_refused(trained, tmp_path):
    with pytest.raises(InputError, match=r"'game.gif' \(allowed endings: .mp4"):
        record_video(load_agent(trained, "cpu"), tmp_path / "game.gif")


def test_a_video_that_is_cut_says_so(trained, tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr("rl_coordconv.training.video.MAX_SECONDS", 1)
    video = record_video(load_agent(trained, "cpu"), tmp_path / "game.mkv")
    assert (video.seconds, video.is_full_episode) == (1.0, False)
