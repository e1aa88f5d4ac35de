"""The real clients, where they are installed, in the modes that need no network."""

import json
import struct

import pytest
from test_tracking import write_run

from rl_coordconv.runs.tracking import Place
from rl_coordconv.trackers.sending import Sender, run_id

# What the clients' own dependencies warn of is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def send_in_two_attempts(run, tracker):
    """Track a run, be interrupted, and go on: its rows are 32, 64, then 96 and 128."""
    place = Place(tracker=tracker, project="aim", group="first", tags=("a", "b"))
    first = Sender(run, place, is_live=True)
    first.catch_up()
    first.finish(is_done=False)
    second = Sender(run, place, is_live=True)
    second.catch_up()
    for step in (64, 96, 128):
        second.send({"train/loss": step / 2}, step)
    second.finish(is_done=True)


def test_mlflow_in_files(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = write_run(tmp_path / "runs", [32, 64])
    send_in_two_attempts(run, "mlflow")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("aim")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == run_id(run)
    assert found.info.status == "FINISHED"
    assert found.data.tags["group"] == "first"
    assert found.data.tags["tags"] == "a, b"
    assert found.data.params["game"] == "Aim"
    assert found.data.params["preset.gamma"] == "0.99"
    history = client.get_metric_history(found.info.run_id, "train/loss")
    assert [(one.step, one.value) for one in history] == [(s, s / 2) for s in (32, 64, 96, 128)]


def test_trackio_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    trackio = pytest.importorskip("trackio")
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "runs", [32, 64])
    send_in_two_attempts(run, "trackio")
    (found,) = trackio.Api().runs("aim")
    assert found.name == run_id(run)
    assert found.config["game"] == "Aim"
    assert found.config["tags"] == ["a", "b"]
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs("aim", found.name, run_id=found.id)
    assert [(row["step"], row["train/loss"]) for row in rows] == [
        (step, step / 2) for step in (32, 64, 96, 128)
    ]


def test_wandb_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "runs", [32, 64])
    send_in_two_attempts(run, "wandb")
    files = sorted((tmp_path / "wandb").glob(f"offline-run-*-{run_id(run)}/*.wandb"))
    assert len(files) == 2  # `wandb sync` puts them together, by their id
    rows = [row for file in files for row in wandb_rows(file)]
    assert [(row["_step"], row["train/loss"]) for row in rows] == [
        (step, step / 2) for step in (32, 64, 96, 128)
    ]
    assert all(row["global_step"] == row["_step"] for row in rows)


def wandb_rows(file):
    """Read the rows of a ``.wandb`` file: blocks of LevelDB's log format, in them protobuf."""
    from wandb.proto.wandb_internal_pb2 import Record

    for content in log_records(file.read_bytes()):
        record = Record()
        record.ParseFromString(content)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            yield {one.key or ".".join(one.nested_key): json.loads(one.value_json) for one in items}


def log_records(content, block=32768, header=7):
    at, parts = header, []  # the file begins with a header of its own
    while at + header <= len(content):
        if block - at % block < header:
            at += block - at % block
            continue
        size, kind = struct.unpack("<HB", content[at + 4 : at + header])
        parts.append(content[at + header : at + header + size])
        at += header + size
        if kind in (1, 4):  # whole, or the last part of one
            yield b"".join(parts)
            parts = []
