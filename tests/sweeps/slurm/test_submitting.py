"""What a sweep submits to SLURM, prints, and refuses."""

import json
import os
import re
import shlex

import pytest
from small_sweeps import runs_of, wait_for

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli import main
from rl_coordconv.runs import RunState, Status
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.slurm.submissions import Submission, load_submissions


def options_of(call):
    """Return a call's flags as a mapping; those without a value hold True."""
    pairs = (word.removeprefix("--").partition("=") for word in call if word.startswith("--"))
    return {name: value if equals else True for name, equals, value in pairs}


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
        assert submission.tasks == tuple((run.path.name,) for run in runs_of(tmp_path / "s"))
        assert (submission.threads, submission.retries, submission.requeues) == (3, 3, 100)
        assert [(one.first, one.size, one.job_id) for one in submission.arrays] == [(0, 3, "1")]
        # Everything that a run needs is there before it begins.
        assert [run.config().seed for run in runs_of(tmp_path / "s")] == [0, 1, 2]

    def test_what_is_in_the_queue_or_done_is_not_submitted_again(self, waiting, sweep, tmp_path):
        assert sweep(seeds=2)[0] == 0
        code, said = sweep(seeds=2)
        assert code == 0
        assert "2 in SLURM's queue of 2 runs" in said
        assert len(waiting.calls("sbatch")) == 1
        Status(state=RunState.DONE).save(runs_of(tmp_path / "s")[0].status_file)
        code, said = sweep(seeds=3)
        assert "1 to be submitted, 1 in SLURM's queue, 1 done of 3 runs" in said
        submissions, problems = load_submissions(SweepDirectory(tmp_path / "s"))
        assert sorted(one.tasks for one in submissions) == sorted(
            [tuple((run.path.name,) for run in runs_of(tmp_path / "s")[:2]),
             ((runs_of(tmp_path / "s")[2].path.name,),)])  # fmt: skip
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
        failed, diverged = runs_of(tmp_path / "s")
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
        assert sorted(names) == [run.path.name for run in runs_of(tmp_path / "s")]
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
        runs = runs_of(tmp_path / "s")
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
        assert said.count("error: ") == 1

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
        code, said = sweep("--gpus-per-run", "0", device="cuda")
        assert code == 2
        assert "with --gpus-per-run 0 SLURM gives no GPU to a run" in said

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
