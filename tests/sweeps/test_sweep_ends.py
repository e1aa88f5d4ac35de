"""How a sweep ends: its exit code, its signals, and one damaged run among others."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from small_sweeps import wait_for

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunDirectory, RunState, Status, read_metrics
from rl_coordconv.sweeps import worker
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.run import sweep
from rl_coordconv.sweeps.supervisor import Outcome

ROOT = Path(__file__).resolve().parents[2]


def description(**changes):
    values = {"games": ("Aim",), "agents": ("ppo-aim",), "extractors": ("cnn",), "seeds": 4,
              "precision": "fp32", "eval_episodes": 0, "device": "cpu"}  # fmt: skip
    return SweepConfig.build(values | changes, "the test")


class Trains:
    """A launcher whose workers do what they are told to the runs and are done."""

    jobs = 1

    def __init__(self, *acts):
        self.acts, self.started = list(acts), []

    def start(self, run, slot):
        self.started.append(run.path.name)
        Status(state=RunState.DONE, num_timesteps=20_000).save(run.status_file)
        if self.acts:
            self.acts.pop(0)(run)
        return self

    def poll(self):
        return Outcome("ended")

    def describe(self):
        return "nowhere"

    def close(self):
        pass


def carry_out(path, launcher, **changes):
    text = io.StringIO()
    code = sweep(description(**changes), SweepDirectory(path), launcher,
                 Console(file=text, width=200), retries=0)  # fmt: skip
    return code, text.getvalue()


def test_all_done_is_0(tmp_path):
    assert carry_out(tmp_path, Trains())[0] == 0


def test_whatever_state_is_left_it_is_named(tmp_path, monkeypatch):
    """The last worker takes away what the first one has written."""

    def take_away(run):
        first = sorted((tmp_path / "runs").iterdir())[0]
        (first / "status.json").unlink()

    code, text = carry_out(tmp_path, Trains(*[lambda run: None] * 3, take_away))
    assert code == 1
    assert "1 pending, 3 done of 4 runs" in text
    name = sorted(path.name for path in (tmp_path / "runs").iterdir())[0]
    assert f"not done: {name} is pending: its status.json is missing" in text


DAMAGES = {
    "empty": lambda content: b"",
    "halved": lambda content: content[: len(content) // 2],
    "zeros": lambda content: b"\0" * len(content),
    "flipped at the start": lambda content: bytes([content[0] ^ 0x80]) + content[1:],
    "flipped in the middle": lambda content: (
        content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 0x40])
        + content[len(content) // 2 + 1 :]
    ),
    "deep": lambda content: b"[" * 100_000,
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "a lone surrogate": lambda content: b'{"state": "failed", "error": "\\ud800"}',
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["status.json", "config.yaml"])
def test_one_damaged_run_stops_no_other(tmp_path, name, damage):
    directory = SweepDirectory(tmp_path)
    runs = [directory.run(one) for one in description().runs()]
    Status(state=RunState.INTERRUPTED, num_timesteps=64).save(runs[1].status_file)
    file = runs[1].path / name
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    code, text = carry_out(tmp_path, (launcher := Trains()))
    others = [run.path.name for index, run in enumerate(runs) if index != 1]
    assert [one for one in launcher.started if one != runs[1].path.name] == others
    # A changed number may make sense; whatever does not is named, and set aside.
    if runs[1].path.name not in launcher.started:
        assert code == 1
        assert "1 failed, 3 done of 4 runs" in text
        assert name in text
        assert f"{runs[1].path.name} has failed for good: " in text
    else:
        assert (code, damage in ("flipped in the middle", "a lone surrogate")) == (0, True)


@pytest.mark.parametrize("kind", ["status.json", "config.yaml"])
def test_a_directory_in_a_files_place_stops_no_other(tmp_path, kind):
    directory = SweepDirectory(tmp_path)
    runs = [directory.run(one) for one in description(seeds=2).runs()]
    (runs[0].path / kind).unlink(missing_ok=True)
    (runs[0].path / kind).mkdir()
    code, text = carry_out(tmp_path, Trains(), seeds=2)
    assert runs[1].status().state is RunState.DONE
    assert code == 1
    assert runs[0].path.name in text


@pytest.mark.parametrize("damage", ["empty", "halved", "zeros", "flipped at the start", "deep"])
def test_a_damaged_description_is_set_aside(tmp_path, damage):
    assert carry_out(tmp_path, Trains())[0] == 0
    file = tmp_path / "sweep.yaml"
    whole = file.read_bytes()
    file.write_bytes(damaged := DAMAGES[damage](whole))
    code, text = carry_out(tmp_path, (launcher := Trains()))
    assert code == 0
    assert launcher.started == []
    assert f"{file} is damaged: it is kept as sweep.yaml.damaged and written anew" in text
    assert file.read_bytes() == whole
    assert (tmp_path / "sweep.yaml.damaged").read_bytes() == damaged


def test_but_not_where_other_runs_would_be_mixed_in(tmp_path):
    carry_out(tmp_path, Trains())
    (tmp_path / "sweep.yaml").write_text("")
    with pytest.raises(InputError, match="is damaged, and 3 runs in .* would not belong"):
        carry_out(tmp_path, Trains(), seeds=1)
    assert (tmp_path / "sweep.yaml").read_text() == ""


class TestSignals:
    @pytest.fixture
    def command(self, tmp_path, small_ppo):
        """Start a sweep of one run and wait until it trains."""
        processes = []
        # Whoever runs these tests under nohup lets their children ignore it, too.
        ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)

        def start(*before):
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "rl_coordconv", "sweep", "--games", "Aim",
                 "--agents", small_ppo, "--extractors", "cnn", "--seeds", "1",
                 "--total-timesteps", "1_000_000", "--precision", "fp32", "--device", "cpu",
                 "--jobs", "1", "--output", str(tmp_path / "s")],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            processes.append(process)
            (metrics,) = wait_for(lambda: list((tmp_path / "s").glob("runs/*/metrics.jsonl")))
            wait_for(lambda: read_metrics(metrics))
            return process, RunDirectory(metrics.parent)

        yield start
        signal.signal(signal.SIGHUP, ours)
        for process in processes:
            process.kill()
            process.communicate()

    @pytest.mark.slow
    def test_sighup_saves_and_stops(self, command):
        process, run = command()
        process.send_signal(signal.SIGHUP)
        text = process.communicate(timeout=60)[0]
        assert process.returncode == 128 + signal.SIGHUP
        assert "1 interrupted of 1 runs" in text
        status = Status.load(run.status_file)
        assert status.state is RunState.INTERRUPTED
        assert (run.checkpoints / f"step_{status.num_timesteps:012d}").is_dir()

    @pytest.mark.slow
    def test_a_second_ctrl_c_ends_it_at_once_and_leaves_no_run_running(self, command):
        process, run = command()
        os.kill(run.status().pid, signal.SIGSTOP)  # a worker that does not answer
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
        assert Status.load(run.status_file).state is RunState.INTERRUPTED

    @pytest.mark.slow
    def test_a_sweep_that_is_killed_leaves_nobody_and_no_run_running(self, command):
        process, run = command()
        pid = run.status().pid
        process.kill()
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), 30)
        status = Status.load(run.status_file)
        assert status.state is RunState.INTERRUPTED
        assert (run.checkpoints / f"step_{status.num_timesteps:012d}").is_dir()


def test_a_worker_stops_when_its_input_ends(tmp_path, small_ppo):
    """Whoever holds the other end, under whatever number, on whatever machine."""
    config = description(agents=(small_ppo,), seeds=1, total_timesteps=1_000_000).runs()[0]
    run = RunDirectory.create(config, tmp_path)
    command = worker.command(run.path, 1)
    with subprocess.Popen(
        command,
        env=worker.environment(1),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_for(lambda: read_metrics(run.metrics_file))
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=60) == 143
    assert run.status().state is RunState.INTERRUPTED
    assert run.status().num_timesteps > 0
