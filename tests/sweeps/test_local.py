"""Real sweeps of small runs, killed and interrupted in every way."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from small_sweeps import description, runs_of, wait_for

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunDirectory, RunState, read_metrics
from rl_coordconv.sweeps.backends.local import LocalLauncher
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.resources import Resources, allocate
from rl_coordconv.sweeps.run import sweep

ROOT = Path(__file__).resolve().parents[2]


def carry_out(config, path, **options):
    text = io.StringIO()
    launcher = LocalLauncher(Resources(jobs=2, threads=1, gpus=0))
    code = sweep(config, SweepDirectory(path), launcher, Console(file=text, width=200), **options)
    return code, text.getvalue()


def test_a_sweep_trains_everything_once(tmp_path, small_a2c):
    config = description(small_a2c)
    code, text = carry_out(config, tmp_path)
    assert code == 0
    assert "2 done of 2 runs; 100% of all steps" in text
    runs = runs_of(tmp_path)
    assert [run.config().extractor for run in runs] == ["cnn", "coordconv"]
    # A2C's rollouts of 20 steps: the first multiple beyond 64.
    assert [run.status().num_timesteps for run in runs] == [80, 80]
    stamps = [run.model_file.stat().st_mtime_ns for run in runs]

    code, text = carry_out(config, tmp_path)
    assert code == 0
    assert "begins" not in text
    assert [run.model_file.stat().st_mtime_ns for run in runs] == stamps


def test_what_has_failed_is_named_and_the_rest_goes_on(tmp_path, small_a2c):
    config = description(small_a2c)
    broken = SweepDirectory(tmp_path).run(config.runs()[0])
    broken.metrics_file.mkdir()
    code, text = carry_out(config, tmp_path, retries=0)
    assert code == 1
    status = broken.status()
    assert status.state is RunState.FAILED
    assert "Error" in status.error
    assert "Traceback" in status.traceback
    assert f"failed: {broken.path.name}: {status.error}" in text
    assert runs_of(tmp_path)[1].status().state is RunState.DONE


def test_a_log_that_is_a_link_is_not_written_through(tmp_path, small_a2c):
    run = SweepDirectory(tmp_path).run(description(small_a2c).runs()[0])
    outside = tmp_path / "outside"
    outside.write_text("somebody's")
    (run.path / "worker.log").symlink_to(outside)
    with pytest.raises(InputError, match=r"worker\.log is a link"):
        LocalLauncher(allocate(1, 1, "cpu")).start(run, 0)
    assert outside.read_text() == "somebody's"


def test_damaged_runs_fail_alone_and_are_named(tmp_path, small_a2c):
    config = description(small_a2c, seeds=2)
    directory = SweepDirectory(tmp_path)
    lost, other, garbled, _ = (directory.run(one) for one in config.runs())
    lost.config_file.write_text("game: [")
    config.runs()[3].save(other.config_file)
    garbled.status_file.write_bytes(b"\0" * 200)
    code, text = carry_out(config, tmp_path)
    assert code == 1
    assert "3 failed, 1 done of 4 runs" in text
    for run, reason in ((lost, "config.yaml is not valid YAML"),
                        (other, "holds another configuration"),
                        (garbled, "status.json is damaged")):  # fmt: skip
        assert f"{run.path.name} has failed for good: " in text
        assert reason in text
        assert not run.metrics_file.exists()


class Command:
    """The command of a sweep as a process."""

    def __init__(self, output, preset, steps):
        # From another directory than the clone's, as a user may call it.
        self.argv = [sys.executable, str(ROOT / "scripts" / "sweep_atari.py"), "--games", "Pong",
                     "--agents", preset, "--extractors", "cnn", "coordconv", "--seeds", "1",
                     "--total-timesteps", str(steps), "--precision", "fp32", "--eval-episodes",
                     "0", "--device", "cpu", "--jobs", "2", "--output", str(output)]  # fmt: skip
        self.cwd = output.parent
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, cwd=self.cwd, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)  # fmt: skip
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def workers(output):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "rl_coordconv.sweeps.worker" in line and str(output) in " ".join(line):
                found.append(int(entry.name))
    return found


def begun(output):
    """Return the runs once both have trained a little."""
    if not (output / "runs").is_dir():
        return []
    runs = [run for run in runs_of(output) if read_metrics(run.metrics_file)]
    return runs if len(runs) == 2 else []


def is_training(run, other_than):
    status = run.status()
    return status.state is RunState.RUNNING and status.pid != other_than


def has_trained_since(run, when):
    return run.metrics_file.stat().st_mtime > when and read_metrics(run.metrics_file)


def last_step(run):
    """Return the newest row's step; 0 where the checkpoint was older than the first row."""
    return max((row["step"] for row in read_metrics(run.metrics_file)), default=0)


linux = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")


@linux
@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_a_killed_sweep_leaves_nobody(tmp_path, talkative_a2c):
    output = tmp_path / "sweep"
    command = Command(output, talkative_a2c, 1_000_000)
    with command:
        runs = wait_for(lambda: begun(output))
        victim = runs[0].status().pid
        os.kill(victim, signal.SIGKILL)
        killed_at = time.time()
        wait_for(lambda: is_training(runs[0], other_than=victim))
        wait_for(lambda: has_trained_since(runs[0], killed_at))
        assert runs[0].status().resumes == 0  # it had no checkpoint to resume from
        command.process.kill()
        command.process.wait()
        # The workers notice, save what they have and stop.
        wait_for(lambda: not workers(output))
    steps = [run.status().num_timesteps for run in runs]
    assert all(run.status().state is RunState.INTERRUPTED for run in runs)
    assert all(count > 0 for count in steps)

    with command:  # again: from where they were
        wait_for(lambda: all(run.status().resumes == 1 for run in runs))
        wait_for(lambda: all(last_step(run) > before
                             for run, before in zip(runs, steps, strict=True)))  # fmt: skip
        command.process.send_signal(signal.SIGINT)
        text = command.process.communicate(timeout=60)[0]
    assert command.process.returncode == 130
    assert "2 interrupted of 2 runs" in text
    assert not workers(output)
    for run in runs:
        rows = [row["step"] for row in read_metrics(run.metrics_file)]
        assert rows == sorted(set(rows))  # nothing is counted twice


def test_a_second_sweep_keeps_out(tmp_path, small_a2c, capsys):
    from rl_coordconv.cli import main

    first = SweepDirectory(tmp_path)
    command = ["sweep", "--games", "Pong", "--agents", small_a2c, "--extractors", "cnn", "--seeds",
               "1", "--precision", "fp32", "--output", str(tmp_path)]  # fmt: skip
    with first.locked():
        assert main(command) == 2
        assert "another process is at work on the sweep" in capsys.readouterr().err
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_is_trained_elsewhere_is_left_to_it(tmp_path, small_a2c):
    """The worker says busy, which is no failure."""
    from rl_coordconv.sweeps import worker

    config = description(small_a2c).runs()[0]
    run = RunDirectory.create(config, tmp_path)
    with run.locked(), subprocess.Popen(
        worker.command(run.path, 1), env=worker.environment(1), stdin=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.wait(timeout=120) == worker.BUSY
        assert "is being trained by another process" in process.stderr.read()
    assert run.status().state is RunState.PENDING


@pytest.mark.slow
def test_the_commands_plan_trains_elsewhere_to_measure_and_keeps_nothing(tmp_path, small_a2c):
    """What it says of time and disk it has from trainings, which leave no trace."""
    output, temporary = tmp_path / "sweep", tmp_path / "tmp"
    temporary.mkdir()
    command = Command(output, small_a2c, 200)
    begun = SweepDirectory(output).run(description(small_a2c, total_timesteps=200).runs()[0])
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    result = subprocess.run([*command.argv, "--dry-run"], cwd=tmp_path, capture_output=True,
                            env=os.environ | {"TMPDIR": str(temporary)}, text=True,
                            check=True)  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before
    assert begun.status().state is RunState.PENDING
    assert list(temporary.glob("rl-coordconv*")) == []
    text = " ".join(result.stdout.split())
    assert "2 of 2 runs are to be trained, 2 at a time with" in text
    assert "threads each on this machine" in text
    speeds = re.findall(r"small-a2c, (\w+): ([\d,]+) agent steps/s", text)
    assert [name for name, _ in speeds] == ["cnn", "coordconv"]
    assert all(int(speed.replace(",", "")) > 0 for _, speed in speeds)
    (size,) = re.findall(r"and ([\d,]+) MiB of disk, measured there on Pong", text)
    # Two runs, each of a model, its portable form and checkpoints with their optimiser's state.
    assert 2 * 4 * 6 < int(size.replace(",", "")) < 200


def test_a_file_says_what_flags_do_not(tmp_path, small_a2c):
    from rl_coordconv.cli.sweep import SweepArguments, _config

    file = tmp_path / "mine.yaml"
    file.write_text("suite: atari-5\nseeds: 2\nextractors: [cnn, impala]\n")
    config = _config(SweepArguments(file=file, seeds=3, games=("pong",)))
    assert (config.games, config.suite, config.seeds) == (("pong",), None, 3)
    assert config.extractors == ("cnn", "impala")
    file.write_text("seed: 2\n")
    with pytest.raises(InputError, match="did you mean 'seeds'"):
        _config(SweepArguments(file=file))


def test_arms_begin_alike(tmp_path, small_a2c):
    """The first layers' image weights, and all others, are equal for one seed."""
    import torch

    from rl_coordconv.agents.build import build_agent
    from rl_coordconv.envs import AtariVecEnv

    states = []
    for config in description(small_a2c, extractors=("cnn", "coordconv", "placebo")).runs():
        env = AtariVecEnv(config.game, config.preset.n_envs)
        model = build_agent(config.preset, env, extractor=config.extractor, seed=config.seed,
                            device="cpu", precision="fp32", paired_seed=config.seed)  # fmt: skip
        states.append(model.policy.state_dict() | {"draw": torch.rand(3)})
        env.close()
    plain, *others = states
    for other in others:
        assert set(other) == set(plain)
        for name, weight in plain.items():
            got = other[name]
            assert torch.equal(got[:, : weight.shape[1]] if got.ndim == 4 else got, weight), name
    assert json.dumps(sorted(plain)) == json.dumps(sorted(states[1]))
