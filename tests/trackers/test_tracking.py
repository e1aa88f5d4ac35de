"""Runs in a tracker: while they are trained, when they are resumed, and afterwards."""

import json

import numpy as np
import pytest
import torch
from recording import register
from safetensors.torch import load_file

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv.cli import main
from rl_coordconv.runs import Evaluation, RunConfig, RunDirectory, RunState, Status, read_metrics
from rl_coordconv.runs.tracking import (
    Place,
    Tracked,
    TrackingRecord,
    load_tracking,
    save_tracking,
)
from rl_coordconv.trackers import TRACKERS, find_tracker, register_tracker
from rl_coordconv.trackers.sending import Sender, numbers_of, run_id
from rl_coordconv.trackers.spec import TrackerSpec
from rl_coordconv.trackers.uploading import UploadError, upload
from rl_coordconv.training.resolve import resolve_run

pytestmark = pytest.mark.filterwarnings("always::UserWarning")  # a command tells them as notes

PLACE = Place(tracker="recorder", project="aim", entity="us", group="first", tags=("a", "b"))
FLAGS = ["--track", "recorder", "--wandb-project-name", "aim", "--wandb-entity", "us",
         "--wandb-group", "first", "-tags", "a", "b"]  # fmt: skip


@pytest.fixture
def recorder(monkeypatch):
    return register(monkeypatch)


@pytest.fixture
def words(tmp_path, monkeypatch, small_ppo):
    monkeypatch.chdir(tmp_path)
    return ["train", "--game", "Aim", "--agent", small_ppo, "--extractor", "coordconv",
            "--extractor-kwargs", "features_dim=4", "--total-timesteps", "128",
            "--eval-episodes", "1", "--device", "cpu", "--precision", "fp32", "--threads", "1",
            "--logdir", "runs"]  # fmt: skip


def notes(capsys):
    """Return what was told on the way, a line each."""
    return [one for one in capsys.readouterr().err.splitlines() if one.startswith("note: ")]


def the_run(tmp_path):
    (path,) = (tmp_path / "runs").iterdir()
    return RunDirectory(path)


def write_run(folder, rows, state=RunState.DONE, **changes):
    """Write a run with these agent steps in its metrics, as if it had been trained."""
    config = resolve_run("Aim", device="cpu", extractor="cnn", **changes)
    run = RunDirectory.create(config, folder)
    run.metrics_file.write_text(
        "".join(json.dumps({"step": step, "train/loss": step / 2}) + "\n" for step in rows)
    )
    last = rows[-1] if rows else 0
    Status(state=state, num_timesteps=last, total_timesteps=last).save(run.status_file)
    return run


def test_a_training_sends_every_row_and_its_evaluation(words, tmp_path, recorder):
    assert main([*words, *FLAGS]) == 0
    run = the_run(tmp_path)
    (opened,) = recorder.opened
    assert opened.id == run.path.name
    assert (opened.project, opened.entity, opened.group) == ("aim", "us", "first")
    assert opened.tags == ("a", "b")
    assert opened.config == run.config().model_dump(mode="json")
    rows = read_metrics(run.metrics_file)
    *sent, last = recorder.rows[opened.id]
    assert [step for step, _ in sent] == [row["step"] for row in rows]
    assert [step for step, _ in sent] == [32, 64, 96, 128, 128]  # and the last update's losses
    for (_, values), row in zip(sent, rows, strict=True):
        assert values == numbers_of(row)
    evaluation = Evaluation.load(run.evaluation_file)
    assert last[0] == 128
    assert last[1]["eval/mean_reward"] == evaluation.mean
    assert last[1]["eval/mean_reward_held-out"] == np.mean(evaluation.elsewhere["held-out"])
    assert recorder.closed == [True]
    tracked = load_tracking(run).of("recorder")
    assert tracked == Tracked(place=PLACE, last_step=128, evaluated_at=128)


def test_tracking_changes_neither_the_identity_nor_the_weights(words, tmp_path, recorder):
    class Drawing:
        def log(self, values, step):
            torch.rand(3), np.random.rand(3)

        def finish(self, *, is_done):
            torch.rand(3)

    def draw(run):
        torch.rand(3), np.random.rand(3)
        return Drawing()

    assert main(words) == 0
    plain = the_run(tmp_path)
    weights, name = load_file(plain.weights_file), plain.path.name
    plain.path.parent.rename(tmp_path / "plain")
    TRACKERS["recorder"] = TrackerSpec("recorder", "json", "recorder", draw)  # undone by recorder
    assert main([*words, *FLAGS]) == 0
    tracked = the_run(tmp_path)
    assert tracked.path.name == name
    assert "track" not in tracked.config_file.read_text()
    for key, value in load_file(tracked.weights_file).items():
        assert torch.equal(value, weights[key]), key


def test_a_resumed_training_goes_on_in_the_same_run(words, tmp_path, recorder, capsys):
    assert main([*words, *FLAGS]) == 0
    run = the_run(tmp_path)
    # Without a word about tracking: the run remembers.
    resume = ["train", "--resume", str(run.path), "--total-timesteps", "192", "--threads", "1"]
    assert main(resume) == 0
    first, second = recorder.opened
    assert first.id == second.id
    assert second.tags == ("a", "b")
    steps = recorder.steps(first.id)
    assert steps == [32, 64, 96, 128, 128, 128, 160, 192, 192, 192]
    evaluated = [step for step, row in recorder.rows[first.id] if "eval/mean_reward" in row]
    assert evaluated == [128, 192]
    assert recorder.closed == [True, True]


def test_what_a_killed_attempt_has_sent_is_not_sent_again(tmp_path, recorder):
    run = write_run(tmp_path, [32, 64, 96])
    sender = Sender(run, PLACE, is_live=True)
    sender.catch_up()  # and then it is killed
    assert load_tracking(run).of("recorder").is_open
    write_run(tmp_path, [32, 64])  # the checkpoint was at 64
    again = Sender(run, PLACE, is_live=True)
    again.catch_up()
    for step in (96, 128):
        again.send({"train/loss": 1.0}, step)
    again.finish(is_done=True)
    # What the dead attempt had sent after row 64 is known by metrics.jsonl alone.
    assert recorder.steps(run_id(run)) == [32, 64, 96, 96, 128]


def test_steps_never_go_back(tmp_path, recorder):
    run = write_run(tmp_path, [32, 64, 96])
    sender = Sender(run, PLACE, is_live=True)
    sender.catch_up()
    for step in (64, 96, 128, 100, 128, 160):
        sender.send({"train/loss": 1.0}, step)
    assert recorder.steps(run_id(run)) == [32, 64, 96, 128, 128, 160]


def test_a_tracker_that_cannot_be_opened_does_not_end_a_training(words, tmp_path, recorder, capsys):
    recorder.fail_open = True
    assert main([*words, *FLAGS]) == 0
    (note,) = notes(capsys)
    assert "recorder failed, and the training goes on without it" in note
    assert "ConnectionError: no network (" in note
    assert the_run(tmp_path).status().state is RunState.DONE


def test_a_tracker_that_fails_on_the_way_is_left_alone(words, tmp_path, recorder, capsys):
    recorder.fail_at = 64
    assert main([*words, *FLAGS]) == 0
    (note,) = notes(capsys)
    assert "ConnectionError: the connection was lost (" in note
    run = the_run(tmp_path)
    assert run.status().state is RunState.DONE
    assert recorder.steps(run.path.name) == [32]
    assert load_tracking(run).of("recorder").last_step == 32
    recorder.fail_at = None
    assert main(["track", str(run.path), "--to", "recorder", *FLAGS[2:]]) == 0
    assert recorder.steps(run.path.name) == [32, 64, 96, 128, 128, 128]


def test_a_damaged_record_is_told_and_the_training_goes_on(words, tmp_path, recorder, capsys):
    assert main([*words, *FLAGS]) == 0
    run = the_run(tmp_path)
    run.tracking_file.write_text("{")
    resume = ["train", "--resume", str(run.path), "--total-timesteps", "160", "--threads", "1"]
    capsys.readouterr()
    assert main(resume) == 0
    (note,) = notes(capsys)
    assert "tracking.json is damaged" in note
    assert "the training is not tracked" in note
    assert len(recorder.opened) == 1


def test_track_uploads_a_sweeps_finished_runs_once(tmp_path, recorder, capsys):
    folder = tmp_path / "sweep" / "runs"
    done = write_run(folder, [32, 64])
    interrupted = write_run(folder, [32], state=RunState.INTERRUPTED, seed=1)
    damaged = write_run(folder, [32], seed=2)
    damaged.config_file.write_text("game: [")
    words = ["track", str(tmp_path / "sweep"), "--to", "recorder"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert f"{done.path}: 2 rows sent" in out
    assert f"set aside: {interrupted.path} is interrupted: only finished runs" in out
    assert "set aside: " in out
    assert "config.yaml" in out
    assert {one.id for one in recorder.opened} == {done.path.name}
    assert recorder.opened[0].project == "rl-coordconv"
    assert recorder.steps(done.path.name) == [32, 64]
    assert main(words) == 0
    assert f"{done.path}: nothing new" in capsys.readouterr().out
    assert len(recorder.opened) == 1
    assert main([*words, "--wandb-project-name", "another"]) == 0
    assert recorder.steps(done.path.name) == [32, 64, 32, 64]


def test_track_says_what_failed_and_goes_on(tmp_path, recorder, capsys):
    runs = [write_run(tmp_path / "sweep", [32, 64], seed=seed) for seed in (0, 1)]
    recorder.fail_at = 64
    assert main(["track", str(tmp_path / "sweep"), "--to", "recorder"]) == 1
    out = capsys.readouterr().out
    for run in runs:
        assert f"failed: {run.path}: ConnectionError: the connection was lost" in out
        assert load_tracking(run).of("recorder").last_step == 32
    recorder.fail_at = None
    assert main(["track", str(tmp_path / "sweep"), "--to", "recorder"]) == 0
    assert recorder.steps(runs[0].path.name) == [32, 64]


def test_a_tracker_that_cannot_be_opened_is_an_upload_error(tmp_path, recorder):
    recorder.fail_open = True
    run = write_run(tmp_path, [32])
    with pytest.raises(UploadError, match="ConnectionError: no network"):
        upload(run, PLACE)
    assert not run.tracking_file.exists()


def test_ids_are_the_directorys_names_as_trackers_take_them(tmp_path):
    assert run_id(RunDirectory(tmp_path / "Pong-ppo-cnn-seed0-0a1b2c3d")) == (
        "Pong-ppo-cnn-seed0-0a1b2c3d"
    )
    assert run_id(RunDirectory(tmp_path / "a" / ".." / "b")) == "b"
    odd = [run_id(RunDirectory(tmp_path / name)) for name in ("é", "ö", "a/b c", "x" * 200)]
    assert len(set(odd)) == 4
    for one in odd:
        assert len(one) <= 100
        assert one.isascii()
        assert " " not in one


def test_only_finite_numbers_are_sent():
    row = {"step": 3, "a": 1.5, "b": None, "c": "word", "d": True, "e": 7, "f": float("inf")}
    assert numbers_of(row) == {"a": 1.5, "e": 7}


def test_evaluations_have_sb3s_tags(tmp_path):
    evaluation = Evaluation(
        game="Aim", num_timesteps=64, protocol=None, deterministic=False, seed=0,
        returns=[1.0, 3.0], lengths=[16, 18], mean=2.0, median=2.0, std=1.0,
        human_normalized_mean=None, elsewhere={"held-out": [4.0]},
    )  # fmt: skip
    assert evaluation.scalars() == {
        "eval/mean_reward": 2.0, "eval/mean_ep_length": 17.0, "eval/median_reward": 2.0,
        "eval/std_reward": 1.0, "eval/mean_reward_held-out": 4.0,
    }  # fmt: skip


def test_the_record_comes_back_and_refuses_what_it_does_not_know(tmp_path):
    run = write_run(tmp_path, [])
    record = TrackingRecord(
        format_version=1, tracked=(Tracked(place=PLACE, last_step=7),), current="recorder"
    )
    save_tracking(run, record)
    assert load_tracking(run) == record
    assert record.at(PLACE).last_step == 7
    assert record.at(PLACE.model_copy(update={"tags": ("c",)})).last_step == 7
    assert record.at(PLACE.model_copy(update={"project": "other"})).last_step == 0
    run.tracking_file.write_text('{"format_version": 1, "colour": "green"}')
    with pytest.raises(InputError, match="colour"):
        load_tracking(run)


def test_names_of_trackers():
    with pytest.raises(UnknownNameError, match="did you mean 'wandb'"):
        find_tracker("wandbb")
    with pytest.raises(InputError, match="registered already"):
        register_tracker(TrackerSpec("wandb", "other", "wandb", lambda run: None))


def test_no_tracker_is_imported_unless_it_is_asked_for():
    import subprocess
    import sys

    code = (
        "import sys, rl_coordconv.trackers, rl_coordconv.training.train;"
        "print([n for n in ('wandb', 'trackio', 'mlflow') if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_tracking_is_no_part_of_a_runs_identity():
    assert not {"track", "tracking", "wandb_entity"} & set(RunConfig.model_fields)
