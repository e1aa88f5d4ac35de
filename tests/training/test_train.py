"""Whole trainings on the real game, small: files, interruption, resuming, failure."""

import csv
import json
import os
import signal
from io import StringIO

import pytest
import torch
from rich.console import Console
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_coordconv import agents
from rl_coordconv._util.errors import DivergedError, InputError
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.runs import RunDirectory, RunState, Status, read_metrics
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.training import train as train_module
from rl_coordconv.training.callbacks import NonFiniteLossError
from rl_coordconv.training.evaluate import load_agent
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.setup import make_training_env
from rl_coordconv.training.summary import describe_run
from rl_coordconv.training.train import train


def start(tmp_path, agent, **changes) -> RunDirectory:
    # What auto chooses depends on the machine and its mood.
    options = {"total_timesteps": 64, "eval_episodes": 0, "device": "cpu", "precision": "fp32"}
    options |= changes
    return RunDirectory.create(resolve_run("Pong", agent=agent, **options), tmp_path)


def quiet() -> Console:
    return Console(file=StringIO())


class SignalAt(BaseCallback):
    """Send this process a signal at an agent step."""

    def __init__(self, step: int, number: int) -> None:
        super().__init__()
        self.at, self.number = step, number

    def _on_step(self) -> bool:
        if self.num_timesteps == self.at:
            os.kill(os.getpid(), self.number)
        return True


@pytest.fixture
def interrupt_at(monkeypatch):
    """Make the trainings of a test receive a signal at a step."""

    def arrange(step: int, number: int = signal.SIGINT) -> None:
        original = train_module.CheckLosses

        def check_losses_and_signal():
            monkeypatch.setattr(train_module, "CheckLosses", original)
            return SignalAt(step, number)

        monkeypatch.setattr(train_module, "CheckLosses", check_losses_and_signal)

    return arrange


def test_a_run_leaves_every_file_of_its_contract(tmp_path, small_ppo):
    run = start(tmp_path, small_ppo, extractor="coordconv-all", eval_episodes=1)
    assert train(run, quiet(), ["python", "train_atari.py", "--game", "Pong"]) == 0

    status = run.status()
    assert (status.state, status.num_timesteps, status.resumes) == (RunState.DONE, 64, 0)
    assert run.command_file.read_text() == "python train_atari.py --game Pong\n"
    environment = json.loads(run.environment_file.read_text())
    assert environment["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert (environment["precision"], environment["precision_reason"]) == ("fp32", "asked for")
    assert environment["torch_threads"] == torch.get_num_threads()
    assert environment["env_threads"] in (1, 2)
    assert isinstance(environment["openmp"], dict)
    names = {path.name for path in run.path.iterdir()}
    assert {"config.yaml", "metrics.jsonl", "monitor.csv", "checkpoints", "evaluation.json",
            "model.zip", "policy.safetensors", "policy.json"} <= names  # fmt: skip

    steps = [row["step"] for row in read_metrics(run.metrics_file)]
    assert steps == [32, 64, 64]
    last = read_metrics(run.metrics_file)[-1]
    tags = {"train/loss", "train/value_loss", "train/entropy_loss", "time/fps"}
    norms = {f"coordconv/features_extractor.cnn.{index}/coordinate_to_image_weight_norm"
             for index in (0, 2, 4)}  # fmt: skip
    assert tags <= set(last)
    first = read_metrics(run.metrics_file)[0]
    assert norms <= set(first)
    assert all(0 < first[tag] < 2 for tag in norms)
    events = EventAccumulator(str(run.path))
    events.Reload()
    assert norms <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [64, 64]

    evaluation = json.loads(run.evaluation_file.read_text())
    shown = events.Scalars("eval/mean_reward")
    assert [(event.step, event.value) for event in shown] == [(64, evaluation["mean"])]
    assert len(evaluation["returns"]) == 1
    assert -21 <= evaluation["mean"] == evaluation["returns"][0] <= 21
    assert evaluation["human_normalized_mean"] == pytest.approx(
        (evaluation["mean"] + 20.7) / (14.6 + 20.7)
    )


def test_the_saved_model_loads_in_plain_sb3_and_decides_the_same(tmp_path, small_a2c):
    run = start(tmp_path, small_a2c)
    train(run, quiet())
    model = A2C.load(run.model_file, device="cpu")
    policy = load_agent(run, "cpu").policy
    observation = torch.randint(0, 256, (3, 4, 84, 84), dtype=torch.uint8)
    with torch.no_grad():
        ours = policy.get_distribution(observation).distribution.logits
        plain = model.policy.get_distribution(observation).distribution.logits
    assert torch.allclose(ours, plain, atol=1e-5)


def times(folder):
    """When each file was written, but for those that hold the run."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith((".lock", ".lease-"))}  # fmt: skip


def test_a_run_that_is_done_is_left_alone(tmp_path, small_ppo):
    run = start(tmp_path, small_ppo)
    train(run, quiet())
    before = times(run.path)
    assert train(run, quiet()) == 0
    assert times(run.path) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_resuming_goes_on_without_a_seam(
    tmp_path, small_ppo, interrupt_at, number, code
):
    run = start(tmp_path, small_ppo, total_timesteps=128)
    interrupt_at(40, number)  # in the middle of the second rollout
    assert train(run, quiet()) == code
    status = run.status()
    assert (status.state, status.num_timesteps) == (RunState.INTERRUPTED, 64)
    assert PPO.load(run.model_file, device="cpu").num_timesteps == 64

    assert train(run, quiet()) == 0
    status = run.status()
    assert (status.state, status.num_timesteps, status.resumes) == (RunState.DONE, 128, 1)
    steps = [row["step"] for row in read_metrics(run.metrics_file)]
    assert steps == [32, 64, 96, 128, 128]
    rates = [row["train/learning_rate"] for row in read_metrics(run.metrics_file)
             if "train/learning_rate" in row]  # fmt: skip
    assert rates[-1] == pytest.approx(0.0)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("preset", ["small_ppo", "small_a2c"])
def test_a_resumed_run_goes_on_with_its_optimizer_and_every_row(
    tmp_path, preset, interrupt_at, request
):
    preset = request.getfixturevalue(preset)
    run = start(tmp_path, preset, total_timesteps=160)
    interrupt_at(80)
    assert train(run, quiet()) == 130
    at = run.status().num_timesteps
    [saved] = run.checkpoints.iterdir()
    before = torch.load(saved / "state.pt", weights_only=True)
    first = read_metrics(run.metrics_file)
    # The process died while it wrote both files.
    with run.metrics_file.open("ab") as file:
        file.write(b'null\n{"step": %d, "train/lo' % (at + 32))
    with run.episodes_file.open("ab") as file:
        file.write(b"-21.0,3000,1.0,%d\n\0\0\0\n9,3000,1.0,3" % at)

    run.record_file.unlink()  # as of a run from before there was one, which knows no lengths
    with pytest.warns(UserWarning, match="1 damaged lines were dropped"):
        assert train(run, quiet()) == 0
    assert run.status().num_timesteps == 160
    rows = read_metrics(run.metrics_file)
    assert rows[: len(first)] == first
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert read_episodes(run.episodes_file).steps.tolist() == [at]
    after = torch.load(max(run.checkpoints.iterdir()) / "state.pt", weights_only=True)
    steps = [one["optimizer"]["state"][0].get("step") for one in (before, after)]
    if "ppo" in preset:  # Adam: an update a minibatch of 16 steps
        assert [int(step) for step in steps] == [at // 16, 160 // 16]
    changed = [not torch.equal(after["policy"][key], value)
               for key, value in before["policy"].items()]  # fmt: skip
    assert all(changed)

    comparison = gather([tmp_path], {}, Options(baseline="coordconv", resamples=100))
    [arm] = comparison.games[0].arms
    assert (arm.n, arm.scores, comparison.left_out) == (1, (-21.0,), ())
    assert comparison.games[0].cell.budget == 160


def test_interrupted_and_resumed_learns_the_schedule_of_an_uninterrupted_run(
    tmp_path, small_ppo, interrupt_at
):
    whole = start(tmp_path / "whole", small_ppo, total_timesteps=96)
    train(whole, quiet())
    broken = start(tmp_path / "broken", small_ppo, total_timesteps=96)
    interrupt_at(32)
    train(broken, quiet())
    train(broken, quiet())

    def rates(run):
        rows = read_metrics(run.metrics_file)
        return {r["step"]: r["train/learning_rate"] for r in rows if "train/learning_rate" in r}

    assert rates(broken)[96] == rates(whole)[96]
    # Up to the interruption the two are the same training, to the last bit.
    first_whole, first_broken = (read_metrics(run.metrics_file)[0] for run in (whole, broken))
    for row in (first_whole, first_broken):
        for key in [key for key in row if key.startswith("time/")]:
            del row[key]
    assert first_whole == first_broken


def test_the_same_seed_trains_the_same_weights(tmp_path, small_ppo):
    states = []
    for name in ("a", "b"):
        run = start(tmp_path / name, small_ppo, seed=5)
        train(run, quiet())
        states.append(PPO.load(run.model_file, device="cpu").policy.state_dict())
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


def test_a_loss_that_is_not_finite_fails_the_run_and_says_so(tmp_path, small_ppo, monkeypatch):
    run = start(tmp_path, small_ppo)
    original = agents.PPO.train

    def poisoned(self):
        original(self)
        self.logger.record("train/loss", float("nan"))

    monkeypatch.setattr(agents.PPO, "train", poisoned)
    with pytest.raises(NonFiniteLossError, match="train/loss is nan after 32 agent steps"):
        train(run, quiet())
    status = run.status()
    assert status.state is RunState.FAILED
    assert status.error == "NonFiniteLossError: train/loss is nan after 32 agent steps"
    assert not run.model_file.exists()


def poison(model):
    with torch.no_grad():
        model.policy.action_net.weight[0, 0] = float("nan")


@pytest.fixture
def break_weights(monkeypatch):
    """Make the update after an agent step leave NaN in the weights, and none in the losses."""

    def arrange(step, times=1):
        original, left = agents.PPO.train, [times]

        def poisoned(self):
            original(self)
            if self.num_timesteps == step and left[0]:
                left[0] -= 1
                poison(self)

        monkeypatch.setattr(agents.PPO, "train", poisoned)

    return arrange


@pytest.mark.parametrize("step", [32, 64])
def test_weights_that_broke_are_a_divergence_and_are_saved_nowhere(
    tmp_path, small_ppo, break_weights, step
):
    """In the middle the next rollout fails; after the last update nothing would."""
    run = start(tmp_path, small_ppo)
    break_weights(step)
    with pytest.raises(
        DivergedError,
        match=r"log-probabilities became NaN|action_net.weight has weights .* after .* agent steps",
    ):
        train(run, quiet())
    status = run.status()
    assert (status.state, status.divergences, status.divergence_retries) == (RunState.FAILED, 1, 0)
    assert status.has_diverged
    assert not run.model_file.exists()
    assert not list(run.checkpoints.iterdir())


def test_an_error_that_says_so_itself_is_a_divergence_and_no_other_is(
    tmp_path, small_ppo, monkeypatch
):
    for error, divergences in ((DivergedError("values became NaN"), 1), (ValueError("no"), 0)):
        run = start(tmp_path / str(divergences), small_ppo)

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(agents.PPO, "collect_rollouts", fail)
        with pytest.raises(type(error), match=str(error)):
            train(run, quiet())
        status = run.status()
        assert (status.divergences, status.has_diverged) == (divergences, bool(divergences))
        assert status.error == f"{type(error).__name__}: {error}"


def test_how_often_a_run_diverged_and_was_tried_again_stays_on_record(
    tmp_path, small_ppo, break_weights
):
    run = start(tmp_path, small_ppo)
    break_weights(32, times=2)
    counts = []
    for _ in range(2):
        with pytest.raises(DivergedError):
            train(run, quiet())
        status = run.status()
        counts.append((status.divergences, status.divergence_retries, status.has_diverged))
    assert counts == [(1, 0, True), (2, 1, True)]
    assert train(run, quiet()) == 0
    status = run.status()
    assert (status.state, status.divergences, status.divergence_retries) == (RunState.DONE, 2, 2)
    assert "tried again 2 times after it had diverged" in describe_run(run)


def test_a_finished_run_is_told_of_even_if_its_curve_cannot_be_drawn(tmp_path, small_ppo):
    run = start(tmp_path, small_ppo)
    assert train(run, quiet()) == 0
    run.episodes_file.write_text("no monitor file\nat all\n")
    assert "no learning curve" in describe_run(run)


def test_a_damaged_status_or_configuration_is_one_error(tmp_path, small_ppo):
    run = start(tmp_path, small_ppo)
    run.status_file.write_bytes(b"\0" * 300)
    with pytest.raises(InputError, match="status.json is damaged"):
        train(run, quiet())
    run.status_file.unlink()
    run.config_file.write_text("game: [")
    with pytest.raises(InputError, match="config.yaml is not valid YAML"):
        train(run, quiet())
    assert run.status() == Status(state=RunState.PENDING)  # refused before anything is written


def test_models_and_rows_are_on_the_disk_before_the_status_says_done(tmp_path, small_ppo, disk):
    run = start(tmp_path, small_ppo)
    disk.clear()
    train(run, quiet())
    events = [event for event in disk if not event[1].startswith(".rl")]
    names = [name for kind, name in events if kind == "rename"]
    assert names[-6:] == ["step_000000000064", "model.zip", "policy.safetensors", "policy.json",
                          "record.json", "status.json"]  # fmt: skip
    for name in names[-5:]:
        at = events.index(("rename", name), events.index(("rename", "step_000000000064")))
        assert events[at - 1][0] == "sync"  # the content
        assert events[at - 1][1].startswith(f".{name.partition('.')[0]}.")
        assert events[at + 1] == ("sync", run.path.name)  # the name
    # What was logged before a checkpoint is there once the checkpoint is.
    before = events[: events.index(("rename", "step_000000000064"))]
    assert {("sync", "metrics.jsonl"), ("sync", "monitor.csv")} <= set(before)


def test_finished_games_are_kept_in_monitor_csv(tmp_path, small_a2c):
    config = resolve_run(
        "Breakout", agent=small_a2c, total_timesteps=1600, eval_episodes=0, device="cpu"
    )
    run = RunDirectory.create(config, tmp_path)
    train(run, quiet())
    lines = run.episodes_file.read_text().splitlines()
    assert json.loads(lines[0].removeprefix("#"))["env_id"] == "Breakout"
    rows = list(csv.DictReader(lines[1:]))
    assert rows
    for row in rows:
        assert float(row["r"]) >= 0
        # Emulator frames of an episode: five balls, each of which takes some 25 steps to fall.
        assert 400 < int(row["l"]) <= 4 * 400 + 60
        assert int(row["step"]) <= 1600


def test_threads_are_set_and_told(tmp_path, small_a2c):
    before = torch.get_num_threads()
    try:
        run = start(tmp_path, small_a2c)
        train(run, quiet(), threads=1)
        environment = json.loads(run.environment_file.read_text())
        assert (environment["torch_threads"], environment["env_threads"]) == (1, 1)
        with pytest.raises(InputError, match="threads 0 is not at least 1"):
            train(start(tmp_path, small_a2c, seed=1), quiet(), threads=0)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("device", "n_envs", "sizes"), [
    ("cpu", 16, None), ("cuda", 16, [8, 8]), ("cuda", 17, [9, 8]), ("cuda", 8, None),
])  # fmt: skip
def test_a_gpus_environments_come_in_two_groups(small_a2c, device, n_envs, sizes):
    config = resolve_run("Pong", agent=small_a2c, n_envs=n_envs, device="cpu")
    env = make_training_env(config, torch.device(device), threads=2)
    assert env.num_envs == n_envs
    groups = [group.num_envs for group in env.groups] if sizes else None
    assert groups == sizes
    assert hasattr(env, "groups") == bool(sizes)
    env.close()


def test_a_profile_is_a_trace_and_a_table(tmp_path, small_a2c, monkeypatch):
    monkeypatch.setattr("rl_coordconv.training.profiling.WARM_UP_STEPS", 20)
    monkeypatch.setattr("rl_coordconv.training.profiling.PROFILED_STEPS", 40)
    run = start(tmp_path, small_a2c, total_timesteps=100)
    console = quiet()
    train(run, console, profile=True)
    assert "Profile of 40 agent steps in" in console.file.getvalue()
    table = (run.path / "profile" / "table.txt").read_text()
    lines = table.splitlines()
    assert lines[0].startswith("40 agent steps in ")
    shares = {line.split()[0]: float(line.split()[-1].rstrip("%")) for line in lines[1:5]}
    assert list(shares) == ["emulation", "inference", "update", "rest"]
    assert sum(shares.values()) == pytest.approx(100, abs=0.3)
    assert min(shares["emulation"], shares["inference"], shares["update"]) > 0
    assert "aten::" in table
    events = json.loads((run.path / "profile" / "trace.json").read_text())["traceEvents"]
    counts = [
        sum(event.get("name") == name for event in events) for name in ("update", "emulation")
    ]
    assert counts == [2, 20]  # two rollouts of five steps, each sent and waited for
    assert load_agent(run).num_timesteps == 100
