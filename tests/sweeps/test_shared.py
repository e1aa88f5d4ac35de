"""Sweeps on one directory that several processes, perhaps on several machines, work on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_sweeps import wait_for

from rl_coordconv._util import leases
from rl_coordconv._util.leases import Holder
from rl_coordconv._util.processes import Process
from rl_coordconv.cli import main
from rl_coordconv.runs import RunDirectory, RunState, Status, read_metrics
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.supervisor import Entry, Outcome, Supervisor
from rl_coordconv.training.resolve import resolve_run

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = Process("elsewhere", "another machine", 7, 1)


def hold(run, process=ELSEWHERE, number=1, **values):
    fields = {"beat": 0, "time": time.time()} | values
    (run.path / f".lease-{number:06d}").write_bytes(Holder(process, **fields).encode())


class Trains:
    """A launcher whose workers are done at once."""

    jobs = 1

    def __init__(self):
        self.started = []

    def start(self, run, slot):
        self.started.append(run.path.name)
        Status(state=RunState.DONE, num_timesteps=9).save(run.status_file)
        return self

    def poll(self):
        return Outcome("ended")

    def close(self):
        pass


@pytest.fixture
def begin(tmp_path):
    """Build a supervisor of some runs that looks often."""

    def build(count=2, **options):
        entries = [
            Entry(RunDirectory.create(resolve_run("Aim", seed=seed), tmp_path), 9)
            for seed in range(count)
        ]
        lines, launcher = [], Trains()
        supervisor = Supervisor(entries, launcher, tell=lines.append, poll_seconds=0.01,
                                busy_seconds=0.05, **options)  # fmt: skip
        return supervisor, launcher, lines

    return build


def test_a_run_that_another_machine_trains_is_waited_for(begin, monkeypatch):
    """It ends there, and is not trained here; while its lease changes, its holder is alive."""
    monkeypatch.setattr("rl_coordconv.sweeps.supervisor._WATCH_SECONDS", 0.05)
    supervisor, launcher, lines = begin()
    theirs = supervisor.entries[0].run
    looks = []

    def train_there():
        looks.append(0)
        if len(looks) < 30:
            hold(theirs, beat=len(looks))
        elif len(looks) == 30:
            Status(state=RunState.DONE, num_timesteps=9).save(theirs.status_file)
            hold(theirs, is_released=True)

    supervisor.show = train_there
    hold(theirs)
    supervisor.work(lambda: False)
    assert launcher.started == [supervisor.entries[1].run.path.name]
    assert len(looks) >= 30
    told = [line for line in lines if line.startswith(theirs.path.name)]
    assert told == [f"{theirs.path.name} is held by another process; tried again later",
                    f"{theirs.path.name} is done"]  # fmt: skip


def test_a_run_of_a_machine_that_died_is_taken_over(begin, monkeypatch):
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr("rl_coordconv.sweeps.supervisor._WATCH_SECONDS", 0.05)
    supervisor, launcher, _ = begin()
    hold(supervisor.entries[0].run)
    Status(state=RunState.RUNNING, num_timesteps=5).save(supervisor.entries[0].run.status_file)
    supervisor.work(lambda: False)
    assert launcher.started == [entry.run.path.name for entry in reversed(supervisor.entries)]


def test_or_left_to_others(begin):
    supervisor, launcher, lines = begin(leaves_others=True)
    hold(supervisor.entries[0].run, Process.this())
    supervisor.work(lambda: False)
    assert launcher.started == [supervisor.entries[1].run.path.name]
    name = supervisor.entries[0].run.path.name
    assert f"{name} is held by another process; left to it" in lines


def test_what_another_sweep_writes_is_not_written_over(begin):
    """Between a worker's death and the note of it, another machine may have taken the run up."""
    supervisor, _, _ = begin(count=1)
    (entry,) = supervisor.entries
    status = Status(state=RunState.RUNNING, num_timesteps=5)
    status.save(entry.run.status_file)
    hold(entry.run)
    before = entry.run.status_file.read_bytes()
    reason = supervisor._record_failure(entry, Outcome("failed", "the process was ended"))
    assert reason.startswith("the process was ended; that could not be written down: ")
    assert "is being trained by another process (pid 7 on elsewhere)" in reason
    assert entry.run.status_file.read_bytes() == before


class Sweeps:
    """The same command, several times at once."""

    def __init__(self, output, preset, seeds, steps):
        self.output = output
        self.argv = [sys.executable, "-m", "rl_coordconv", "sweep", "--games", "Aim", "--agents",
                     preset, "--extractors", "cnn", "--seeds", str(seeds), "--total-timesteps",
                     str(steps), "--precision", "fp32", "--eval-episodes", "0", "--device", "cpu",
                     "--jobs", "1", "--output", str(output), "--shared"]  # fmt: skip
        self.processes = []

    def __enter__(self):
        return self

    def begin(self):
        self.processes.append(subprocess.Popen(self.argv, cwd=ROOT, stdout=subprocess.PIPE,
                                               stderr=subprocess.STDOUT, text=True))  # fmt: skip
        return self.processes[-1]

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.communicate()

    def runs(self):
        return [RunDirectory(path) for path in sorted((self.output / "runs").iterdir())]


@pytest.mark.slow
def test_the_same_command_twice_trains_each_run_once(tmp_path, small_ppo):
    with Sweeps(tmp_path / "s", small_ppo, seeds=3, steps=320) as sweeps:
        sweeps.begin()
        sweeps.begin()
        said = [process.communicate(timeout=240)[0] for process in sweeps.processes]
    assert [process.returncode for process in sweeps.processes] == [0, 0], said
    for run in sweeps.runs():
        status = run.status()
        assert (status.state, status.num_timesteps, status.resumes) == (RunState.DONE, 320, 0)
        assert len(run.command_file.read_text().splitlines()) == 1
    # Both may have begun one at the same moment, of which one was let in.
    begun = {line for text in said for line in text.splitlines() if line.endswith(" begins")}
    assert sorted(begun) == [f"{run.path.name} begins" for run in sweeps.runs()]
    assert all("3 done of 3 runs; 100% of all steps" in text for text in said)


@pytest.mark.slow
def test_one_that_is_killed_leaves_its_runs_to_the_other(tmp_path, small_ppo):
    steps = 1600
    with Sweeps(tmp_path / "s", small_ppo, seeds=4, steps=steps) as sweeps:
        first = sweeps.begin()
        second = sweeps.begin()
        wait_for((tmp_path / "s/runs").is_dir)
        wait_for(lambda: sum(bool(read_metrics(run.metrics_file)) for run in sweeps.runs()) >= 2)
        first.send_signal(signal.SIGKILL)
        said = second.communicate(timeout=280)[0]
    assert second.returncode == 0, said
    for run in sweeps.runs():
        status = run.status()
        assert (status.state, status.num_timesteps) == (RunState.DONE, steps)
        rows = [row["step"] for row in read_metrics(run.metrics_file)]
        assert rows[:-1] == sorted(set(rows[:-1]))


def test_one_alone_is_not_joined(tmp_path, small_ppo, capsys):
    directory = SweepDirectory(tmp_path)
    directory.make()
    command = ["sweep", "--games", "Aim", "--agents", small_ppo, "--precision", "fp32", "--output",
               str(tmp_path), "--shared"]  # fmt: skip
    with directory.locked(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("rl_coordconv.sweeps.directory._ASKING_SECONDS", 0.2)
        assert main(command) == 2
    said = capsys.readouterr().err
    assert f"another process is at work on the sweep in {tmp_path} (pid {os.getpid()} on" in said
    assert "with --shared, given to each of them, several can be" in said
