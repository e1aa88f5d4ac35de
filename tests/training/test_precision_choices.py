"""One precision a sweep and a run: decided once, kept, passed on, changed on record only."""

import json
import os
from io import StringIO
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import write_json
from rl_coordconv._util.reading import read_json
from rl_coordconv.agents import precision as agents_precision
from rl_coordconv.cli import main
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.runs.precision import (
    Decision,
    Finding,
    Segment,
    extended_history,
    recorded_history,
    recorded_precision,
)
from rl_coordconv.sweeps import probe
from rl_coordconv.sweeps.backends.local import LocalLauncher
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.precision import decide
from rl_coordconv.sweeps.resources import Resources
from rl_coordconv.sweeps.run import sweep
from rl_coordconv.sweeps.supervisor import Outcome
from rl_coordconv.training.precision import requested_precision
from rl_coordconv.training.resolve import check_machine, resolve_run
from rl_coordconv.training.train import train


def quiet():
    return Console(file=StringIO(), width=200)


@pytest.fixture
def hardware(monkeypatch):
    """Say whether this machine has bf16; the arithmetic itself is torch's, which can do both."""
    monkeypatch.setattr(agents_precision, "cpu_flags", lambda: {"avx512_bf16"})

    def set_up(has_bf16, speedup=2.0):
        monkeypatch.setattr(agents_precision, "has_fast_bf16", lambda device: has_bf16)
        monkeypatch.setattr(agents_precision, "_time", lambda runs, device: speedup)

    set_up(True)
    return set_up


def start(folder, agent, **changes):
    options = {"total_timesteps": 40, "eval_episodes": 0, "device": "cpu", "precision": "bf16"}
    return RunDirectory.create(resolve_run("Pong", agent=agent, **options | changes), folder)


@pytest.fixture
def begun(tmp_path, small_a2c, hardware, monkeypatch):
    """A run that was begun in bf16 and stopped after its first rollout of 20 steps."""

    def begin(folder=tmp_path, **changes):
        from rl_coordconv.training import train as train_module
        from rl_coordconv.training.callbacks import TrainingStoppedError

        run = start(folder, small_a2c, **changes)
        with monkeypatch.context() as patch:

            def stop(self):
                self._model.learn(20, reset_num_timesteps=False)
                raise TrainingStoppedError

            patch.setattr(train_module._Attempt, "_learn", stop)
            train(run, quiet())
        status = run.status()
        assert (status.state, status.num_timesteps) == (RunState.INTERRUPTED, 20)
        return run

    return begin


def precisions(run):
    return [(one.from_step, one.precision) for one in recorded_history(run.environment_file)]


@pytest.mark.parametrize(("name", "then", "now"), [("bf16", 2.0, 0.1), ("fp32", 0.1, 2.0)])
def test_a_resumed_run_keeps_the_precision_of_auto_whatever_auto_would_choose_now(
    begun, hardware, name, then, now
):
    hardware(True, then)
    run = begun(precision="auto")
    assert recorded_precision(run.environment_file) == name
    hardware(True, now)
    assert train(run, quiet()) == 0
    environment = read_json(run.environment_file)
    assert environment["precision"] == name
    assert environment["precision_reason"].startswith("as before: auto: bf16 is right here")
    assert precisions(run) == [(0, name)]


def test_a_run_in_bf16_cannot_go_on_without_and_is_told_the_way_out(begun, hardware):
    run = begun()
    hardware(False)
    with pytest.raises(InputError) as refusal:
        train(run, quiet())
    words = str(refusal.value)
    assert "cpu has no bf16 arithmetic" in words
    assert f"rl-coordconv train --resume {run.path} --precision fp32" in words
    assert run.status().state is RunState.FAILED
    assert precisions(run) == [(0, "bf16")]


def test_a_run_goes_on_in_another_precision_on_request_and_on_record(begun, hardware, capsys):
    run = begun()
    before = run.config_file.read_bytes()
    hardware(False)
    assert main(["train", "--resume", str(run.path), "--precision", "fp32"]) == 0
    assert run.status().state is RunState.DONE
    assert run.config_file.read_bytes() == before
    environment = json.loads(run.environment_file.read_text())
    assert environment["precision"] == "fp32"
    assert environment["precision_reason"] == "changed to fp32 on request"
    bf16, fp32 = environment["precision_history"]
    assert (bf16["from_step"], bf16["precision"]) == (0, "bf16")
    assert bf16["reason"].startswith("asked for; bf16 is right here")
    assert fp32 == {"from_step": 20, "precision": "fp32", "reason": "changed to fp32 on request"}
    # Finished weights do not change their precision any more.
    assert main(["train", "--resume", str(run.path), "--precision", "bf16"]) == 2
    assert "is done" in capsys.readouterr().err


def test_a_changed_precision_stays_also_where_nothing_was_saved_since(begun, hardware, monkeypatch):
    run = begun()
    for checkpoint in run.checkpoints.iterdir():  # all of it is lost
        checkpoint.rename(checkpoint.with_name(f".lost-{checkpoint.name}"))
    hardware(False)
    with monkeypatch.context() as patch:
        from rl_coordconv.training import train as train_module

        patch.setattr(train_module._Attempt, "_learn", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(run, quiet(), precision="fp32")
    assert requested_precision(run).precision == "fp32"
    assert train(run, quiet()) == 0
    assert precisions(run) == [(0, "fp32")]


def test_a_change_that_is_refused_leaves_no_trace(begun, hardware):
    hardware(False)
    run = begun(precision="fp32")
    with pytest.raises(InputError, match="cpu has no bf16 arithmetic"):
        train(run, quiet(), precision="bf16")
    assert Decision.load(run.path) is None
    assert requested_precision(run).precision == "fp32"


@pytest.mark.parametrize(("flag", "value"), [("--seed", "1"), ("--extractor", "cnn")])
def test_nothing_else_changes_with_resume(tmp_path, small_a2c, flag, value, capsys):
    run = start(tmp_path, small_a2c)
    assert main(["train", "--resume", str(run.path), "--precision", "fp32", flag, value]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {flag} ")
    assert "cannot be changed with --resume" in said


def test_what_this_machine_cannot_train_is_refused_before_a_directory_is_made(
    hardware, tmp_path, monkeypatch, capsys
):
    hardware(False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    for flags, words in [(["--precision", "bf16"], "no bf16"), (["--device", "cuda"], "cuda")]:
        assert main(["train", "--game", "Pong", *flags]) == 2
        assert words in capsys.readouterr().err
        assert main(["sweep", "--games", "Pong", *flags]) == 2
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="device 'cuda'"):
        check_machine("cuda", "auto")


SEGMENTS = [Segment(from_step=step, precision=name, reason=name)
             for step, name in ((0, "bf16"), (100, "fp32"), (200, "bf16"))]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "name", "want"),
    [
        (300, "bf16", [(0, "bf16"), (100, "fp32"), (200, "bf16")]),
        (300, "fp32", [(0, "bf16"), (100, "fp32"), (200, "bf16"), (300, "fp32")]),
        (200, "fp32", [(0, "bf16"), (100, "fp32")]),
        (150, "bf16", [(0, "bf16"), (100, "fp32"), (150, "bf16")]),
        (50, "bf16", [(0, "bf16")]),
        (0, "fp32", [(0, "fp32")]),
    ],
)
def test_the_history_tells_of_the_steps_that_are_there(step, name, want):
    new = Segment(from_step=step, precision=name, reason="new")
    history = extended_history(SEGMENTS, new)
    assert [(one.from_step, one.precision) for one in history] == want


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "is damaged"), ("[]", "rather than an object"), ("\0\0", "is damaged"),
     ('{"precision_history": [{"from_step": -1}]}', "precision_history"),
     ('{"precision_history": "fp32"}', "precision_history")],
)  # fmt: skip
def test_a_damaged_record_is_one_error_that_names_the_file(tmp_path, content, words):
    file = tmp_path / "environment.json"
    file.write_text(content)
    with pytest.raises(InputError, match=words) as error:
        recorded_precision(file)
    assert str(file) in str(error.value)
    (tmp_path / "precision.json").write_text(content)
    with pytest.raises(InputError, match=r"precision\.json"):
        Decision.load(tmp_path)


def test_records_from_before_there_was_a_history_are_read(tmp_path):
    file = tmp_path / "environment.json"
    write_json(file, {"precision": "bf16", "precision_reason": "auto: faster"})
    assert precisions_of(file) == [(0, "bf16", "auto: faster")]
    write_json(file, {"python": "3.11"})
    assert precisions_of(file) == []
    assert recorded_precision(tmp_path / "none.json") is None


def precisions_of(file):
    return [(one.from_step, one.precision, one.reason) for one in recorded_history(file)]


def finding(extractor, name, machine="a"):
    return Finding(machine=machine, agent="ppo", extractor=extractor, precision=name,
                   reason=f"auto: {name}")  # fmt: skip


@pytest.mark.parametrize(
    ("findings", "want", "words"),
    [
        ([finding("cnn", "bf16"), finding("coordconv", "bf16"), finding("cnn", "bf16", "b")],
         "bf16", "right for 2 arms on 2 machines"),
        ([finding("cnn", "bf16"), finding("coordconv", "fp32")],
         "fp32", "because of ppo, coordconv on a: auto: fp32"),
        ([finding("cnn", "bf16"), finding("cnn", "fp32", "b")], "fp32", "cnn on b"),
        ([], "fp32", "nothing could be checked"),
    ],
)  # fmt: skip
def test_all_arms_get_what_every_one_of_them_can_have(findings, want, words):
    decision = decide(findings)
    assert decision.precision == want
    assert words in decision.reason
    assert decision.findings == tuple(findings)


class Launcher:
    """Trains in this process, or only says so; finds what it is told to find."""

    jobs = 1

    def __init__(self, *found, trains=False):
        self.found, self.trains, self.asked = found, trains, 0

    def start(self, run, slot):
        if self.trains:
            train(run, quiet())
        else:
            Status(state=RunState.DONE).save(run.status_file)
        return SimpleNamespace(poll=lambda: Outcome("ended"), kill=lambda: None)

    def find_precisions(self, configs):
        self.asked += 1
        return [finding(config.extractor, name)
                for config, name in zip(configs, self.found, strict=False)]  # fmt: skip

    def close(self): ...


def description(preset, **changes):
    values = {"games": ("Pong",), "agents": (preset,), "extractors": ("cnn", "coordconv"),
              "seeds": 1, "total_timesteps": 40, "eval_episodes": 0, "device": "cpu"}  # fmt: skip
    return SweepConfig.build(values | changes, "the test")


def carry_out(config, path, launcher):
    console = quiet()
    assert sweep(config, SweepDirectory(path), launcher, console, retries=0) == 0
    return console.file.getvalue()


def runs_of(path):
    return [RunDirectory(run) for run in sorted((path / "runs").iterdir())]


def test_a_sweep_decides_once_and_every_run_keeps_to_it(tmp_path, small_a2c):
    """One arm may not have bf16, so none has; later runs follow, whatever is found by then."""
    config, launcher = description(small_a2c), Launcher("bf16", "fp32", trains=True)
    names = {one.name for one in config.runs()}
    text = carry_out(config, tmp_path, launcher)
    assert "precision of all runs: fp32 (auto: fp32 for all because of ppo, coordconv" in text
    decision = Decision.load(tmp_path)
    assert (decision.precision, len(decision.findings)) == ("fp32", 2)
    for run in runs_of(tmp_path):
        assert run.path.name in names  # configuration and hash stay those of auto
        assert run.config().precision == "auto"
        environment = read_json(run.environment_file)
        assert environment["precision"] == "fp32"
        assert environment["precision_reason"].startswith("decided for the whole sweep: auto: fp32")

    later = Launcher("bf16", "bf16", trains=True)
    carry_out(description(small_a2c, seeds=2), tmp_path, later)
    assert later.asked == 0
    assert Decision.load(tmp_path) == decision
    assert [recorded_precision(run.environment_file) for run in runs_of(tmp_path)] == ["fp32"] * 4


def test_a_run_of_a_sweep_has_its_precision_when_trained_alone(tmp_path, small_a2c, hardware):
    run = start(tmp_path, small_a2c, precision="auto")
    Decision(precision="fp32", reason="decided for the whole sweep: why").save(run.path)
    train(run, quiet())
    environment = read_json(run.environment_file)
    assert environment["precision"] == "fp32"
    assert environment["precision_reason"] == "decided for the whole sweep: why"


def test_a_run_of_a_sweep_does_not_change_over_where_its_precision_is_missing(
    tmp_path, small_a2c, hardware
):
    run = start(tmp_path, small_a2c, precision="auto")
    Decision(precision="bf16", reason="decided for the whole sweep: why").save(run.path)
    hardware(False)
    with pytest.raises(InputError, match="decided for the whole sweep: why.*--precision fp32"):
        train(run, quiet())


def test_a_sweep_from_before_goes_on_as_its_runs_have_begun(tmp_path, small_a2c):
    config = description(small_a2c)
    directory = SweepDirectory(tmp_path)
    directory.make()
    first = directory.run(config.runs()[0])
    write_json(first.environment_file, {"precision": "fp32"})
    (first.checkpoints / "step_000000000000").mkdir()
    launcher = Launcher("bf16", "bf16")
    text = carry_out(config, tmp_path, launcher)
    assert launcher.asked == 0
    assert "fp32 (as the runs that have begun (1))" in text
    assert {Decision.load(run.path).precision for run in runs_of(tmp_path)} == {"fp32"}


def test_a_sweep_that_says_what_it_wants_decides_nothing(tmp_path, small_a2c):
    launcher = Launcher("bf16", "bf16")
    carry_out(description(small_a2c, precision="fp32"), tmp_path, launcher)
    assert launcher.asked == 0
    assert Decision.load(tmp_path) is None
    assert [Decision.load(run.path) for run in runs_of(tmp_path)] == [None, None]


def test_each_arm_is_checked_once_in_a_process_as_its_runs_will_have(small_a2c, small_ppo):
    config = description(small_a2c, agents=(small_a2c, small_ppo), games=("Pong", "Breakout"),
                         extractors=("cnn",), seeds=2)  # fmt: skip
    found = LocalLauncher(Resources(jobs=2, threads=1, gpus=0)).find_precisions(config.runs())
    arms = [(one.agent, one.extractor) for one in found]
    assert arms == [("small-a2c", "cnn"), ("small-ppo", "cnn")]
    has = agents_precision.has_fast_bf16(torch.device("cpu"))
    for one in found:
        assert one.reason.startswith("auto: ")
        assert ("right here" in one.reason) == has
        assert one.precision == ("bf16" if has and "too slow" not in one.reason else "fp32")


def test_an_arm_that_cannot_be_checked_is_told_and_gets_fp32(small_a2c, tmp_path):
    config = description(small_a2c).runs()[0].model_dump(mode="json")
    broken = [config | {"game": "NoSuchGame"}]
    (one,) = probe.find_precisions(broken, dict(os.environ))
    assert one["precision"] == "fp32"
    assert "NoSuchGame" in one["reason"]
    # Where not even the process comes about.
    (one,) = probe.find_precisions(
        [config], {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere"}
    )
    assert one["precision"] == "fp32"
    assert "its process ended with exit code" in one["reason"]
