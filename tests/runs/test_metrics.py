"""metrics.jsonl and TensorBoard events, written, cut short and taken up again."""

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_coordconv.runs.metrics import (
    newest_metric,
    open_logger,
    read_metrics,
    truncate_metrics,
)


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


NO_ROWS = ["null", "{}", "[]", "7", '"step"', '{"ste', '{"step": "3"}', '{"step": true}',
           '{"a": 1}', '{"step": -1}', '{"step": 1.5}', '{"step": NaN}', "[" * 100_000,
           '{"step": ' + "9" * 5000, "\0" * 40, '\0\0\0{"step": 3}', "r,l,t,step"]  # fmt: skip


def test_lines_that_are_no_rows_are_left_out_wherever_they_stand(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for line in NO_ROWS:
        path.write_text(f'{{"step": 1, "a":  0.50}}\n{line}\n{{"step": 2}}\n')
        assert read_metrics(path) == [{"step": 1, "a": 0.5}, {"step": 2}], line[:40]
        with pytest.warns(UserWarning, match="metrics.jsonl: 1 damaged lines were dropped"):
            truncate_metrics(path, 2)
        assert path.read_text() == '{"step": 1, "a":  0.50}\n{"step": 2}\n', line[:40]
    path.write_bytes(b'{"step": 1}\n{"step": 2, "a": "\xff\xfe"}\n{"step": 3}\n')
    assert read_metrics(path) == [{"step": 1}, {"step": 3}]


def test_wherever_the_file_is_cut_all_whole_rows_up_to_the_checkpoint_stay(tmp_path):
    rows = [{"step": 32}, {"step": 64, "train/loss": 0.25}, {"step": 96, "name": "grüße"}]
    whole = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path = tmp_path / "metrics.jsonl"
    for end in range(len(whole) + 1):
        for rubbish in (b"", b"\0" * 64):  # a power cut may leave blocks that were never written
            there = rows[: whole[:end].count(b"\n")]
            path.write_bytes(whole[:end] + rubbish)
            assert read_metrics(path) == there, end
            assert newest_metric(path, "train/loss") == (0.25 if len(there) > 1 else None), end
            logger = open_logger(tmp_path / "events", path, resumed_at=64)
            kept = there[:2]
            assert [json.loads(line) for line in path.read_text().splitlines()] == kept, end
            log(logger, 96, 1.5)
            logger.close()
            assert read_metrics(path) == [*kept, {"step": 96, "rollout/ep_rew_mean": 1.5}], end


def test_no_file_is_no_rows(tmp_path):
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_a_run_that_begins_anew_hides_what_an_attempt_that_died_early_left(tmp_path):
    for value in (-1.0, -2.0):
        logger = open_logger(tmp_path, tmp_path / "metrics.jsonl", resumed_at=None)
        log(logger, 100, value)
        logger.close()
    assert scalars(tmp_path) == [(100, -2.0)]
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1
