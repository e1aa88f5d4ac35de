"""Jobs that stand-ins for SLURM's commands carry out: tasks train, come back, and end."""

import signal
import threading
from types import SimpleNamespace

import pytest
from fake_slurm import STEPS, disturb
from small_sweeps import runs_of, wait_for

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunState, read_metrics
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.overview import look
from rl_coordconv.sweeps.slurm import working
from rl_coordconv.training.signals import StopRequest


def check_exact(run, steps):
    """A run is done with exactly its steps, and counts none of them twice."""
    status = run.status()
    assert (status.state, status.num_timesteps) == (RunState.DONE, steps)
    rows = [row["step"] for row in read_metrics(run.metrics_file)]
    assert rows == sorted(rows)
    assert rows[:-1] == sorted(set(rows[:-1]))  # the end is logged once more
    assert rows[-1] == steps
    episodes = read_episodes(run.episodes_file)
    assert list(episodes.steps) == sorted(episodes.steps)
    lines = run.episodes_file.read_text().splitlines()
    lengths = [int(line.split(",")[1]) for line in lines[2:]]
    assert 0 < sum(lengths) <= steps


class TestGoingBack:
    @pytest.fixture
    def asked(self, monkeypatch):
        """What SLURM was asked for; its answers are set by the test."""
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
        monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
        asked = []
        monkeypatch.setattr(working.commands, "state_of", lambda task: self.state)
        monkeypatch.setattr(working.commands, "requeue", asked.append)
        return asked

    @pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "PREEMPTED", ""])
    def test_who_was_cancelled_or_preempted_does_not_requeue_itself(self, asked, state):
        self.state, said = state, []
        working.go_back_into_queue(100, said.append)
        assert asked == []
        assert said == [f"task 12_3 is {state or 'gone'}: it is not requeued from here"]

    def test_so_often_and_no_more(self, asked, monkeypatch):
        self.state, said = "RUNNING", []
        monkeypatch.setenv("SLURM_RESTART_COUNT", "4")
        working.go_back_into_queue(5, said.append)
        assert asked == ["12_3"]
        monkeypatch.setenv("SLURM_RESTART_COUNT", "5")
        working.go_back_into_queue(5, said.append)
        assert asked == ["12_3"]
        assert said[-1].startswith("task 12_3 has been requeued 5 times (--slurm-requeues 5)")

    def test_its_own_command_may_be_ended_before_it_has_heard_the_answer(self, asked, monkeypatch):
        states, said = iter(["RUNNING", "COMPLETING"]), []
        monkeypatch.setattr(working.commands, "state_of", lambda task: next(states))

        def be_ended(task):
            raise InputError("scontrol requeue 12_3 ended with exit code -15: no word")

        monkeypatch.setattr(working.commands, "requeue", be_ended)
        working.go_back_into_queue(5, said.append)
        assert said == ["task 12_3 goes back into the queue, after 0 times before"]

    def test_a_refusal_is_told(self, asked, monkeypatch):
        self.state, said = "RUNNING", []

        def refuse(task):
            raise InputError("scontrol requeue 12_3 ended with exit code 1: Access denied")

        monkeypatch.setattr(working.commands, "requeue", refuse)
        working.go_back_into_queue(5, said.append)
        assert "Access denied; give the sweep's command again" in said[-1]


@pytest.mark.parametrize(
    ("received", "code", "queued"), [(None, 2, []), (signal.SIGTERM, 143, ["12_3"])]
)
def test_a_task_that_is_asked_to_leave_while_it_prepares_comes_back(
    tmp_path, monkeypatch, received, code, queued
):
    """The check of precision, which the same signal ends, says that it failed."""
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setattr(working.commands, "state_of", lambda task: "RUNNING")
    asked = []
    monkeypatch.setattr(working.commands, "requeue", asked.append)

    def fail(*_):
        raise InputError("the check ended with exit code -15")

    monkeypatch.setattr(working, "_prepare", fail)
    folder = tmp_path / "slurm" / "20260101"
    folder.mkdir(parents=True)
    submission = SimpleNamespace(requeues=3)
    monkeypatch.setattr(working.Submission, "load", lambda _: submission)
    stop = StopRequest()
    stop.signal = received
    assert working.work(folder, 0, stop) == code
    assert asked == queued


def test_tasks_train_save_come_back_and_end(cluster, sweep, tmp_path):
    """One is asked to leave as before a time limit, which it answers by requeueing itself."""
    assert sweep(seeds=1, steps=640)[0] == 0
    runs = runs_of(tmp_path / "s")
    wait_for(lambda: all(run.status().num_timesteps or read_metrics(run.metrics_file)
                         for run in runs))  # fmt: skip
    found = look(SweepDirectory(tmp_path / "s"))
    assert [row.state for row in found.rows] == [RunState.RUNNING]
    (task,) = cluster.running()
    cluster.ask_to_leave(task)
    wait_for(lambda: task.restarts == 1)
    cluster.wait_until_idle()
    for run in runs:
        check_exact(run, 640)
        assert run.status().resumes == 1
        assert len(run.command_file.read_text().splitlines()) == 2
    assert cluster.calls("scontrol") == [["show", "config"], ["requeue", "1_0"]]
    assert task.codes[-1] == 0
    (log,) = (tmp_path / "s" / "slurm").glob("*/1_0.log")
    assert "task 1_0 goes back into the queue, after 0 times before" in log.read_text()
    stamps = [run.model_file.stat().st_mtime_ns for run in runs]
    code, said = sweep(seeds=1, steps=640)
    assert (code, "1 done of 1 runs" in said) == (0, True)
    assert [run.model_file.stat().st_mtime_ns for run in runs] == stamps


@pytest.mark.slow
def test_who_is_cancelled_saves_and_stays_out(cluster, sweep, tmp_path):
    sweep(seeds=1, steps=1_000_000)
    (run,) = runs_of(tmp_path / "s")
    wait_for(lambda: read_metrics(run.metrics_file))
    (task,) = cluster.running()
    cluster.cancel(task)
    wait_for(lambda: task.state == "CANCELLED")
    status = run.status()
    assert status.state is RunState.INTERRUPTED
    assert status.num_timesteps > 0
    assert ["requeue", "1_0"] not in cluster.calls("scontrol")
    assert "1 to be submitted of 1 runs" in sweep(seeds=1, steps=1_000_000)[1]


@pytest.mark.slow
def test_a_run_that_fails_is_tried_again_so_often_and_named(cluster, sweep, tmp_path):
    sweep("--slurm-print", seeds=1)
    sweep("--retries", "1", seeds=2)
    broken = runs_of(tmp_path / "s")[0]
    broken.metrics_file.mkdir()
    cluster.wait_until_idle()
    check_exact(runs_of(tmp_path / "s")[1], STEPS)
    assert broken.status().state is RunState.FAILED
    codes = {task.name: task.codes for task in cluster.tasks}
    assert codes == {"1_0": [1], "1_1": [0]}
    (log,) = (tmp_path / "s" / "slurm").glob("*/1_0.log")
    text = log.read_text()
    assert "attempt 2 of 2 follows" in text
    assert f"{broken.path.name} has failed for good: " in text
    assert f"failed: {broken.path.name}: " in "\n".join(look(SweepDirectory(tmp_path / "s")).notes)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_each_run_is_trained_once(cluster, sweep, tmp_path, seed):
    """Tasks are asked to leave, preempted and lose their nodes at random until all is done."""
    steps, stop, happened = 3_200, threading.Event(), []
    assert sweep("--jobs", "3", "--runs-per-job", "1", seeds=4, steps=steps)[0] == 0
    disturber = threading.Thread(
        target=disturb, args=(cluster, seed, stop, happened), kwargs={"pause": (2.0, 12.0)}
    )
    disturber.start()
    try:
        wait_for(lambda: len(happened) >= 15 or all(
            task.state == "ENDED" for task in cluster.tasks), 600)  # fmt: skip
    finally:
        stop.set()
        disturber.join()
    cluster.wait_until_idle(600)
    for run in runs_of(tmp_path / "s"):
        check_exact(run, steps)
    assert sum(task.restarts for task in cluster.tasks) >= 4
    assert [task.codes[-1] for task in cluster.tasks] == [0] * 4
    assert "4 done of 4 runs" in sweep(seeds=4, steps=steps)[1]
