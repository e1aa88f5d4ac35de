"""metrics.jsonl and TensorBoard events, written, cut short and taken up again."""

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_coordconv.runs.metrics import open_logger, read_metrics, truncate_metrics


def log(logger, step, value):
    logger.record("rollout/ep_rew_mean", value)
    logger.dump(step)


def scalars(folder, tag="rollout/ep_rew_mean"):
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_rows_hold_the_step_and_sb3s_tags(tmp_path):
    logger = open_logger(tmp_path, tmp_path / "metrics.jsonl", resumed_at=None)
    logger.record("train/loss", np.float32(0.5))
    logger.record("time/iterations", 3, exclude="tensorboard")
    log(logger, 128, -20.5)
    logger.close()
    assert read_metrics(tmp_path / "metrics.jsonl") == [
        {"step": 128, "rollout/ep_rew_mean": -20.5, "time/iterations": 3, "train/loss": 0.5}
    ]


def test_what_is_not_finite_is_written_as_null(tmp_path):
    logger = open_logger(tmp_path, tmp_path / "metrics.jsonl", resumed_at=None)
    log(logger, 1, float("nan"))
    logger.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["rollout/ep_rew_mean"] is None


def test_a_resumed_run_has_each_step_once_in_both_curves(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    logger = open_logger(tmp_path, metrics, resumed_at=None)
    for step in (100, 200, 300):
        log(logger, step, -step)
    logger.close()

    logger = open_logger(tmp_path, metrics, resumed_at=200)
    for step in (300, 400):
        log(logger, step, step)
    logger.close()

    expected = [(100, -100.0), (200, -200.0), (300, 300.0), (400, 400.0)]
    assert [(row["step"], row["rollout/ep_rew_mean"]) for row in read_metrics(metrics)] == expected
    assert scalars(tmp_path) == expected


def test_an_unfinished_last_line_is_left_out_and_a_damaged_middle_is_not(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert read_metrics(path) == [{"step": 1}, {"step": 2}]
    truncate_metrics(path, 1)
    assert path.read_text() == '{"step": 1}\n'
    path.write_text('{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(json.JSONDecodeError):
        read_metrics(path)


def test_no_file_is_no_rows(tmp_path):
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_a_run_that_begins_anew_hides_what_an_attempt_that_died_early_left(tmp_path):
    for value in (-1.0, -2.0):
        logger = open_logger(tmp_path, tmp_path / "metrics.jsonl", resumed_at=None)
        log(logger, 100, value)
        logger.close()
    assert scalars(tmp_path) == [(100, -2.0)]
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1
