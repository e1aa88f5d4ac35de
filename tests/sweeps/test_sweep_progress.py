"""What a person sees of a sweep."""

import io
import json

import pytest
from rich.console import Console

from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.sweeps.progress import (
    Row,
    SweepDisplay,
    SweepProgress,
    describe_sweep,
    latest_return,
    rows_table,
)
from rl_coordconv.sweeps.supervisor import Entry
from rl_coordconv.training.resolve import resolve_run


def row(name, state, steps=0, speed=0.0):
    return Row(name, state, steps, 1000, speed, 3.25 if steps else None)


ROWS = [
    row("done", RunState.DONE, 1016),
    row("failed", RunState.FAILED, 250),
    row("waiting", RunState.PENDING),
    row("[red]running", RunState.RUNNING, 500, 100.0),
]


def printed(thing, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return console.file.getvalue()


def test_the_table_shows_the_running_first_and_counts_the_rest():
    lines = [line.split() for line in printed(rows_table(ROWS, height=2)).splitlines()]
    cells = [[cell for cell in line if cell != "│"] for line in lines if "│" in line]
    assert cells == [
        ["[red]running", "running", "500/1,000", "100", "3.2", "0:05"],
        ["failed", "failed", "250/1,000", "-", "3.2", "-"],
    ]
    assert "and 2 more" in printed(rows_table(ROWS, height=2))


def test_a_line_counts_states_and_steps():
    line = describe_sweep(ROWS, 65.0)
    # 1,000 + 250 + 0 + 500 of 4,000: what is trained beyond the end does not count.
    assert line == "1 running, 1 failed, 1 pending, 1 done of 4 runs; 44% of all steps; 1:05 left"
    assert describe_sweep(ROWS, None).endswith("; ? left")


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        (['{"step": 1, "rollout/ep_rew_mean": 2.5}', '{"step": 2}', ""], 2.5),
        (['{"step": 1, "rollout/ep_rew_mean": 2.5}', '{"step": 2, "rollout/ep_rew_mean": 40'], 2.5),
        (['{"step": 1, "rollout/ep_rew_mean": 2.5}', '{"step": 2, "rollout/ep_rew_mean": "x"}',
          '{"step": 3, "rollout/ep_rew_mean": [1]}', '{"step": 3, "rollout/ep_rew_mean": NaN}',
          "null", "[]", "7", "\0\0", ""], 2.5),
        (['{"step": 1}', ""], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_latest_return_is_found(tmp_path, lines, want):
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(lines))
    assert latest_return(path) == want


def test_a_long_file_is_read_from_its_end(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [json.dumps({"step": step, "rollout/ep_rew_mean": step / 2}) for step in range(5000)]
    path.write_text("\n".join([*rows, ""]))
    assert latest_return(path) == 2499.5
    assert latest_return(tmp_path / "missing") is None


class Working:
    """A worker that goes on."""

    def poll(self):
        return None


@pytest.fixture
def entry(tmp_path):
    config = resolve_run("Pong", total_timesteps=1000)
    return Entry(RunDirectory.create(config, tmp_path), 1000)


def test_speed_is_steps_between_heartbeats(entry, monkeypatch):
    entry.job = Working()
    progress = SweepProgress([entry], jobs=1)
    for steps, heartbeat in ((100, 1000.0), (100, 1000.0), (400, 1015.0)):
        status = Status(state=RunState.RUNNING, num_timesteps=steps, heartbeat=heartbeat)
        entry.run.status_file.write_text(status.model_dump_json())
        (found,) = progress.rows()
    assert found.speed == pytest.approx(20.0)
    assert found.seconds_left == pytest.approx(30.0)
    assert found.state is RunState.RUNNING


def test_the_whole_is_estimated_from_what_was_gained(entry, monkeypatch):
    clock = iter([0.0, 50.0])
    monkeypatch.setattr("rl_coordconv.sweeps.progress.time.monotonic", lambda: next(clock))
    progress = SweepProgress([entry], jobs=1)
    assert progress.seconds_left([row(entry.run.path.name, RunState.RUNNING, 250)]) == 150.0


def test_nobodys_run_is_not_called_running(entry):
    Status(state=RunState.RUNNING, num_timesteps=5).save(entry.run.status_file)
    assert entry.state is RunState.RUNNING  # this process, which wrote it, is there
    with entry.run.locked():
        assert entry.state is RunState.RUNNING  # another sweep trains it, perhaps elsewhere
    assert entry.state is RunState.INTERRUPTED
    Status(state=RunState.FAILED).save(entry.run.status_file)
    assert entry.state is RunState.INTERRUPTED  # it will be tried again
    entry.is_settled = True
    assert entry.state is RunState.FAILED


def test_a_damaged_run_is_shown_as_failed(entry):
    entry.run.status_file.write_bytes(b"\0" * 99)
    entry.run.metrics_file.mkdir()
    entry.is_settled = True
    [found] = SweepProgress([entry], jobs=1).rows()
    assert (found.state, found.steps, found.latest_return) == (RunState.FAILED, 0, None)


def test_without_a_terminal_there_are_plain_lines(entry, monkeypatch):
    console = Console(file=io.StringIO(), width=60)
    monkeypatch.setattr("rl_coordconv.sweeps.progress.PLAIN_INTERVAL_SECONDS", 0.0)
    with SweepDisplay(console, SweepProgress([entry], jobs=1)) as display:
        display.tell("[bold]run-with-a-long-name that goes beyond the console's width is done")
        display.show()
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "[bold]run-with-a-long-name that goes beyond the console's width is done"
    assert lines[1] == "1 pending of 1 runs; 0% of all steps; ? left"
