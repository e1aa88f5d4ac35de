"""Times, scripts, submissions and queues: parts that need no cluster."""

import json
import subprocess

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.sweeps.slurm.commands import QueuedTask
from rl_coordconv.sweeps.slurm.options import check_time
from rl_coordconv.sweeps.slurm.script import batch_script
from rl_coordconv.sweeps.slurm.submissions import Array, Submission, queued_runs


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
