"""Sweeps on stand-ins for sbatch, squeue and scontrol that carry out what they take."""

import json
import os
import re
import shlex
import threading
import time
from pathlib import Path

import pytest
from fake_slurm import Cluster, disturb

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli import main
from rl_coordconv.runs import RunDirectory, RunState, Status, read_metrics
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.overview import look
from rl_coordconv.sweeps.slurm import working
from rl_coordconv.sweeps.slurm.commands import QueuedTask
from rl_coordconv.sweeps.slurm.options import check_time
from rl_coordconv.sweeps.slurm.script import batch_script
from rl_coordconv.sweeps.slurm.submissions import Array, Submission, load_submissions, queued_runs

ROOT = Path(__file__).resolve().parents[2]
STEPS = 320  # ten rollouts


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """A cluster that takes jobs, and lets them wait."""
    yield from _cluster(tmp_path, monkeypatch, begins=False, max_array_size=4)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster that carries jobs out."""
    yield from _cluster(tmp_path, monkeypatch)


def _cluster(tmp_path, monkeypatch, **options):
    cluster = Cluster(tmp_path / "cluster", **options)
    monkeypatch.setenv("PATH", cluster.path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with cluster:
        yield cluster


@pytest.fixture
def sweep(tmp_path, small_ppo, capsys):
    """Give the command of a sweep and return its exit code and what it said."""

    def give(*flags, seeds=2, steps=STEPS):
        code = main(["sweep", "--games", "Aim", "--agents", small_ppo, "--extractors", "cnn",
                     "--seeds", str(seeds), "--total-timesteps", str(steps), "--precision", "fp32",
                     "--eval-episodes", "0", "--device", "cpu", "--output", str(tmp_path / "s"),
                     "--backend", "slurm", *flags])  # fmt: skip
        out, error = capsys.readouterr()
        return code, out + error

    return give


def runs_of(place):
    return [RunDirectory(path) for path in sorted((place / "s" / "runs").iterdir())]


def options_of(call):
    """Return a call's flags as a mapping; those without a value hold True."""
    pairs = (word.removeprefix("--").partition("=") for word in call if word.startswith("--"))
    return {name: value if equals else True for name, equals, value in pairs}


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


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


class TestWhatIsSubmitted:
    def test_an_array_whose_tasks_save_and_come_back(self, waiting, sweep, tmp_path):
        code, said = sweep(
            "--slurm-partition", "gpu", "--slurm-time", "4:00:00", "--slurm-account", "lab 7",
            "--jobs", "2", "--cpus-per-run", "3", "--gpus-per-run", "0.25", seeds=3,
        )  # fmt: skip
        assert code == 0, said
        assert "3 to be submitted of 3 runs" in said
        assert "submitted batch job 1, an array of 3" in said
        (call,) = waiting.calls("sbatch")
        options = options_of(call)
        name = options.pop("job-name")
        assert re.fullmatch(r"s-[0-9a-f]{8}", name)
        folder = tmp_path / "s" / "slurm" / name
        assert options == {
            "parsable": True, "array": "0-2%2", "requeue": True, "open-mode": "append",
            "signal": "B:TERM@180", "output": f"{folder}/%A_%a.log", "nodes": "1", "ntasks": "1",
            "cpus-per-task": "3", "partition": "gpu", "time": "4:00:00", "account": "lab 7",
            "gres": "gpu:1",
        }  # fmt: skip
        assert call[-2:] == [str(folder / "job.sh"), "0"]
        submission = Submission.load(folder)
        assert submission.tasks == tuple((run.path.name,) for run in runs_of(tmp_path))
        assert (submission.threads, submission.retries, submission.requeues) == (3, 3, 100)
        assert [(one.first, one.size, one.job_id) for one in submission.arrays] == [(0, 3, "1")]
        # Everything that a run needs is there before it begins.
        assert [run.config().seed for run in runs_of(tmp_path)] == [0, 1, 2]

    def test_what_is_in_the_queue_or_done_is_not_submitted_again(self, waiting, sweep, tmp_path):
        assert sweep(seeds=2)[0] == 0
        code, said = sweep(seeds=2)
        assert code == 0
        assert "2 in SLURM's queue of 2 runs" in said
        assert len(waiting.calls("sbatch")) == 1
        Status(state=RunState.DONE).save(runs_of(tmp_path)[0].status_file)
        code, said = sweep(seeds=3)
        assert "1 to be submitted, 1 in SLURM's queue, 1 done of 3 runs" in said
        submissions, problems = load_submissions(SweepDirectory(tmp_path / "s"))
        assert sorted(one.tasks for one in submissions) == sorted(
            [tuple((run.path.name,) for run in runs_of(tmp_path)[:2]),
             ((runs_of(tmp_path)[2].path.name,),)])  # fmt: skip
        assert problems == []

    def test_a_failed_run_is_submitted_again_and_a_diverged_one_when_asked(
        self, waiting, sweep, tmp_path
    ):
        sweep("--slurm-print", seeds=2)
        directory = SweepDirectory(tmp_path / "s")
        assert not directory.path.exists()
        sweep(seeds=2)
        for task in waiting.tasks:
            task.state = "ENDED"
        wait_for(lambda: not json.loads((waiting.place / "queue.json").read_text())[0]["is_queued"])
        failed, diverged = runs_of(tmp_path)
        Status(state=RunState.FAILED, error="OSError: no").save(failed.status_file)
        Status(state=RunState.FAILED, error="DivergedError: NaN", divergences=1).save(
            diverged.status_file
        )
        code, said = sweep(seeds=2)
        assert code == 1
        assert f"{diverged.path.name} had diverged and is not tried again: DivergedError" in said
        assert "1 to be submitted, 1 set aside of 2 runs" in said
        for task in waiting.tasks:
            task.state = "ENDED"
        wait_for(lambda: not any(row["is_queued"] for row in json.loads(
            (waiting.place / "queue.json").read_text())))  # fmt: skip
        assert "2 to be submitted" in sweep("--retry-diverged", seeds=2)[1]

    def test_more_than_an_array_holds_become_several(self, waiting, sweep, tmp_path):
        """The stand-in allows four tasks in an array: indices 0 to 3."""
        assert sweep("--runs-per-job", "2", seeds=19)[0] == 0
        calls = waiting.calls("sbatch")
        assert [options_of(call)["array"] for call in calls] == ["0-3", "0-3", "0-1"]
        assert [call[-1] for call in calls] == ["0", "4", "8"]
        assert {options_of(call).get("dependency") for call in calls} == {None}
        assert [options_of(call)["cpus-per-task"] for call in calls] == ["2", "2", "2"]
        ((submission,), _) = load_submissions(SweepDirectory(tmp_path / "s"))
        assert [len(task) for task in submission.tasks] == [2] * 9 + [1]
        names = [name for task in submission.tasks for name in task]
        assert sorted(names) == [run.path.name for run in runs_of(tmp_path)]
        assert "19 in SLURM's queue of 19 runs" in sweep(seeds=19)[1]

    def test_several_arrays_keep_to_the_runs_at_a_time_one_after_another(self, waiting, sweep):
        sweep("--jobs", "3", seeds=5)
        first, second = map(options_of, waiting.calls("sbatch"))
        assert (first["array"], second["array"]) == ("0-3%3", "0-0%3")
        assert "dependency" not in first
        assert second["dependency"] == "afterany:1"

    def test_a_damaged_run_is_named_and_the_others_are_submitted(self, waiting, sweep, tmp_path):
        sweep(seeds=3)
        for task in waiting.tasks:
            task.state = "ENDED"
        wait_for(lambda: not any(row["is_queued"] for row in json.loads(
            (waiting.place / "queue.json").read_text())))  # fmt: skip
        runs = runs_of(tmp_path)
        runs[1].status_file.write_bytes(b"")
        runs[2].config_file.write_text("game: [")
        code, said = sweep(seeds=3)
        assert code == 1
        assert "status.json is damaged: empty" in said
        assert "config.yaml is not valid YAML" in said
        assert "1 to be submitted, 2 set aside of 3 runs" in said

    def test_a_damaged_submission_is_named_and_counts_as_none(self, waiting, sweep, tmp_path):
        sweep(seeds=1)
        (file,) = (tmp_path / "s" / "slurm").glob("*/submission.json")
        file.write_text("{")
        code, said = sweep(seeds=1)
        assert code == 0
        assert "a submission is left out of account" in said
        assert f"{file} is damaged" in said
        assert len(waiting.calls("sbatch")) == 2


class TestPrinting:
    def test_it_shows_script_and_commands_and_does_nothing(self, waiting, sweep, tmp_path):
        code, said = sweep("--slurm-print", "--slurm-partition", "a b;c", seeds=5)
        assert code == 0
        assert "#!/bin/bash" in said
        lines = [line for line in said.splitlines() if line.startswith("sbatch ")]
        assert [options_of(shlex.split(line))["array"] for line in lines] == ["0-3", "0-0"]
        assert options_of(shlex.split(lines[0]))["partition"] == "a b;c"
        assert waiting.calls("sbatch") == []
        assert not (tmp_path / "s").exists()

    def test_without_a_cluster(self, sweep, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        code, said = sweep("--slurm-print", seeds=2)
        assert code == 0
        assert "--array=0-1" in said

    def test_a_dry_run_does_the_same(self, waiting, sweep, tmp_path):
        code, said = sweep("--dry-run")
        assert code == 0
        assert "--array=0-1" in said
        assert not (tmp_path / "s").exists()


class TestRefusals:
    @pytest.mark.parametrize("missing", ["sbatch", "squeue", "scontrol"])
    def test_a_command_that_is_missing(self, waiting, sweep, tmp_path, monkeypatch, missing):
        (waiting.place / "bin" / missing).unlink()
        monkeypatch.setenv("PATH", str(waiting.place / "bin"))
        code, said = sweep()
        assert code == 2
        assert f"error: {missing} is not on the PATH: --backend slurm needs" in said
        assert len(said.strip().splitlines()[-1:]) == 1

    def test_what_sbatch_refuses_is_told_in_its_words(self, waiting, sweep, tmp_path):
        code, said = sweep("--slurm-partition", "closed")
        assert code == 2
        error = said.splitlines()[-1]
        assert error.startswith("error: sbatch --parsable ")
        assert "ended with exit code 1: sbatch: error: invalid partition specified: closed" in error
        assert "Batch job submission failed: Invalid partition name specified" in error
        assert list((tmp_path / "s" / "slurm").iterdir()) == []

    def test_what_was_submitted_before_a_refusal_stays(self, waiting, sweep, tmp_path, monkeypatch):
        from rl_coordconv.sweeps.slurm import commands

        answers = iter(["7", InputError("sbatch: error: MaxSubmitJobs")])

        def submit(command):
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(commands, "submit", submit)
        code, said = sweep(seeds=6)
        assert code == 2
        assert "MaxSubmitJobs; 1 of 2 arrays are submitted: the same command submits what is left" \
            in said  # fmt: skip
        ((submission,), _) = load_submissions(SweepDirectory(tmp_path / "s"))
        assert [one.job_id for one in submission.arrays] == ["7", None]

    @pytest.mark.parametrize(
        ("flags", "answer"),
        [
            (["--runs-per-job", "0"], "--runs-per-job 0 is not at least 1"),
            (["--jobs", "2", "--runs-per-job", "3"], "--jobs 2 runs at a time are fewer than"),
            (["--slurm-requeues", "-1"], "--slurm-requeues -1 is not at least 0"),
            (["--slurm-time", "soon"], "--slurm-time 'soon' is not a time as sbatch takes it"),
            (["--slurm-time", "00:03:00"], "--slurm-time 00:03:00 is not at least 5 minutes"),
            (["--slurm-template", "nowhere"], "--slurm-template nowhere cannot be read: No such"),
            (["--shared"], "--shared is about --backend local, not slurm"),
            (["--ray-address", "x"], "--ray-address x is about --backend ray, not slurm"),
        ],
    )
    def test_flags(self, waiting, sweep, tmp_path, flags, answer):
        code, said = sweep(*flags)
        assert code == 2
        assert answer in said
        assert not (tmp_path / "s").exists()

    def test_a_gpu_that_is_not_asked_for(self, waiting, sweep):
        from rl_coordconv.sweeps.resources import check_gpus_asked

        with pytest.raises(InputError, match="with --gpus-per-run 0 SLURM gives no GPU to a run"):
            check_gpus_asked("cuda", 0.0, "SLURM gives no GPU to a run")

    def test_beside_a_sweep_of_another_kind(self, waiting, sweep, tmp_path):
        directory = SweepDirectory(tmp_path / "s")
        directory.make()
        with directory.locked():
            code, said = sweep()
        assert code == 2
        assert f"another process is at work on the sweep in {directory.path} (pid {os.getpid()}" \
            in said  # fmt: skip

    def test_another_backends_flags(self, capsys):
        assert main(["sweep", "--games", "Aim", "--slurm-partition", "x"]) == 2
        assert "--slurm-partition x is about --backend slurm, not local" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["5", "30", "5:00", "0:05:00", "1-0", "1-00:30", "1-00:00:01", "UNLIMITED", "infinite"]
)
def test_times_as_sbatch_takes_them(text):
    check_time(text)


@pytest.mark.parametrize("text", ["4", "4:59", "0:04:59", "0-0:4", "", "1:2:3:4", "-5", "5m", "1-"])
def test_other_times_and_short_ones(text):
    with pytest.raises(InputError, match="--slurm-time"):
        check_time(text)


ODD = 'it\'s a "sweep" $(touch owned) `touch owned`; touch owned % # é'


def test_nothing_in_a_name_is_run(tmp_path):
    """The script is carried out by a real shell, with a name that tries everything."""
    import subprocess

    folder = tmp_path / ODD
    folder.mkdir()
    script = batch_script(folder, "#SBATCH --mem=1G\nexport MINE=yes\n")
    # The shell's own words for what it would run.
    traced = script.replace("exec ", "printf '%s\\n' ")
    result = subprocess.run(["bash", "-c", traced, "job", "$(touch owned)"], cwd=tmp_path,
                            capture_output=True, text=True, check=True)  # fmt: skip
    assert result.stdout.splitlines()[1:] == [
        "-m", "rl_coordconv.sweeps.slurm.task", str(folder), "$(touch owned)",
    ]  # fmt: skip
    assert not list(tmp_path.rglob("owned"))


def test_the_template_comes_first(tmp_path):
    lines = batch_script(tmp_path, "#!/bin/sh -l\n#SBATCH --mem=1G\nmodule load cuda").splitlines()
    assert lines[:3] == ["#!/bin/sh -l", "#SBATCH --mem=1G", "module load cuda"]
    assert lines[-1].startswith("exec ")
    assert batch_script(tmp_path, None).splitlines()[0] == "#!/bin/bash"


def test_a_task_in_the_queue_is_found_by_its_name_and_index():
    arrays = (Array(job_name="s-1.0", first=0, size=2), Array(job_name="s-1.1", first=2, size=1))
    submission = Submission(name="s-1", tasks=(("a", "b"), ("c",), ("d",)), arrays=arrays)
    queue = [
        QueuedTask("s-1.0", 1, "RUNNING"),
        QueuedTask("s-1.1", 0, "PENDING"),
        QueuedTask("s-1.1", 1, "PENDING"),  # no such index
        QueuedTask("s-2", 0, "PENDING"),  # somebody else's
    ]
    found = queued_runs([submission], queue)
    assert {name: task.state for name, task in found.items()} == {"c": "RUNNING", "d": "PENDING"}


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "/etc", ""])
def test_a_submission_names_runs_and_no_other_places(tmp_path, name):
    submission = Submission(name="s", tasks=(("a",),))
    submission.save(tmp_path)
    text = (tmp_path / "submission.json").read_text()
    (tmp_path / "submission.json").write_text(text.replace('"a"', json.dumps(name)))
    with pytest.raises(InputError, match="submission.json"):
        Submission.load(tmp_path)


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


def test_tasks_train_save_come_back_and_end(cluster, sweep, tmp_path):
    """One is asked to leave as before a time limit, which it answers by requeueing itself."""
    assert sweep(seeds=1, steps=640)[0] == 0
    runs = runs_of(tmp_path)
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
    (run,) = runs_of(tmp_path)
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
    broken = runs_of(tmp_path)[0]
    broken.metrics_file.mkdir()
    cluster.wait_until_idle()
    check_exact(runs_of(tmp_path)[1], STEPS)
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
        target=lambda: happened.extend(disturb(cluster, seed, stop, pause=(2.0, 12.0)))
    )
    disturber.start()
    try:
        wait_for(lambda: len(happened) >= 15 or all(
            task.state == "ENDED" for task in cluster.tasks), 600)  # fmt: skip
    finally:
        stop.set()
        disturber.join()
    cluster.wait_until_idle(600)
    for run in runs_of(tmp_path):
        check_exact(run, steps)
    assert sum(task.restarts for task in cluster.tasks) >= 4
    assert [task.codes[-1] for task in cluster.tasks] == [0] * 4
    assert "4 done of 4 runs" in sweep(seeds=4, steps=steps)[1]


class TestOverview:
    def test_it_shows_what_each_run_is_doing(self, waiting, sweep, tmp_path, capsys):
        sweep(seeds=3)
        failed, done, _ = runs_of(tmp_path)
        Status(state=RunState.FAILED, error="OSError: no", num_timesteps=32).save(
            failed.status_file
        )
        Status(state=RunState.DONE, num_timesteps=STEPS).save(done.status_file)
        assert main(["sweep", "status", str(tmp_path / "s")]) == 0
        said = capsys.readouterr().out
        assert "1 failed, 1 pending, 1 done of 3 runs" in said
        assert said.count("SLURM: pending") == 3
        assert f"failed: {failed.path.name}: OSError: no" in said

    def test_it_needs_no_cluster_and_follows_no_link(self, waiting, sweep, tmp_path, monkeypatch):
        sweep(seeds=2)
        monkeypatch.setenv("PATH", "/nowhere")
        (tmp_path / "s" / "runs" / "link").symlink_to(runs_of(tmp_path)[0].path)
        found = look(SweepDirectory(tmp_path / "s"))
        assert [row.state for row in found.rows] == [RunState.PENDING] * 2
        assert [row.where for row in found.rows] == ["", ""]
        assert found.describe() == "2 pending of 2 runs; 0% of all steps"

    def test_a_damaged_run_is_named(self, waiting, sweep, tmp_path):
        sweep(seeds=2)
        runs_of(tmp_path)[0].config_file.unlink()
        found = look(SweepDirectory(tmp_path / "s"))
        assert [row.state for row in found.rows] == [RunState.FAILED, RunState.PENDING]
        assert runs_of(tmp_path)[0].path.name in found.notes[0]
        assert "config.yaml" in found.notes[0]

    @pytest.mark.parametrize(("argv", "answer"), [
        ([], "the sweep's directory is missing"),
        (["nowhere"], "nowhere holds no sweep"),
        (["a", "b"], "sweep status --help tells the flags"),
    ])  # fmt: skip
    def test_refusals(self, tmp_path, monkeypatch, capsys, argv, answer):
        monkeypatch.chdir(tmp_path)
        assert main(["sweep", "status", *argv]) == 2
        assert answer in capsys.readouterr().err
