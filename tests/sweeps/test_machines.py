"""What the driver of a sweep leaves to the machines that train, and how it plans with them."""

from io import StringIO
from types import SimpleNamespace

import fake_ray
import pytest
import torch
from rich.console import Console

from rl_coordconv._util.errors import InputError
from rl_coordconv.agents import precision
from rl_coordconv.cli import main
from rl_coordconv.cli import sweep as command
from rl_coordconv.runs import RunState, Status
from rl_coordconv.runs.precision import Decision
from rl_coordconv.sweeps import estimate as estimate_module
from rl_coordconv.sweeps import probe, resources
from rl_coordconv.sweeps.backends.ray_cluster import RayLauncher
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.estimate import estimate
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.supervisor import Outcome

HEAD = {"CPU": 0.0, "memory": 8e9}
NODE = {"CPU": 8.0, "GPU": 1.0}
CPU_NODE = {"CPU": 64.0}


@pytest.fixture
def bare_driver(monkeypatch):
    """The driver has neither a GPU nor bf16, and 2 cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "has_fast_bf16", lambda device: False)
    monkeypatch.setattr(resources, "available_cores", lambda: 2)


def description(**changes):
    values = {"games": ("Pong",), "extractors": ("cnn", "coordconv"), "seeds": 2,
              "total_timesteps": 1024, "eval_episodes": 0}  # fmt: skip
    return SweepConfig.build(values | changes, "the test")


@pytest.mark.parametrize("asked", [{"device": "cuda"}, {"precision": "bf16"}])
def test_planning_the_runs_asks_nothing_of_the_drivers_hardware(bare_driver, asked):
    runs = description(**asked).runs()
    assert len(runs) == 4
    ((key, value),) = asked.items()
    assert {getattr(run, key) for run in runs} == {value}


def test_names_are_still_checked():
    with pytest.raises(ValueError, match="device"):
        description(device="cud").runs()
    with pytest.raises(ValueError, match="precision"):
        description(precision="bf17").runs()


FLAGS = ["sweep", "--games", "Pong", "--seeds", "2", "--total-timesteps", "1024", "--backend",
         "ray", "--extractors", "cnn", "coordconv"]  # fmt: skip


def test_a_dry_run_on_a_cluster_plans_with_the_clusters_machines(
    bare_driver, monkeypatch, tmp_path, capsys
):
    ray = fake_ray.install(monkeypatch, HEAD, NODE, NODE, CPU_NODE)
    asked = []

    def measured(configs, launcher, decision):
        asked.append((len(configs), launcher.jobs, decision))
        return estimate_module.Estimate(3600.0, 2**20, {("ppo", "cnn"): 1000.0})

    monkeypatch.setattr(estimate_module, "estimate", measured)
    flags = ["--device", "cuda", "--precision", "bf16", "--cpus-per-run", "2", "--gpus-per-run",
             "0.25", "--output", str(tmp_path / "out"), "--dry-run"]  # fmt: skip
    assert main([*FLAGS, *flags]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ("4 of 4 runs are to be trained, 8 at a time with 2 CPUs and 0.25 GPUs each on the Ray "
            "cluster") in shown  # fmt: skip
    assert "measured there on Pong" in shown
    assert asked == [(4, 8, None)]
    assert not ray.is_up
    assert not (tmp_path / "out").exists()


def test_a_gpu_that_ray_would_hide_is_asked_for_first(bare_driver, monkeypatch, capsys, tmp_path):
    fake_ray.install(monkeypatch, NODE)
    monkeypatch.chdir(tmp_path)
    assert main([*FLAGS, "--device", "cuda"]) == 2
    assert "--gpus-per-run 0" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("machines", "cpus", "gpus", "jobs"),
    [
        ([{"CPU": 8.0}], 1, 0, 8),
        ([HEAD, {"CPU": 3.0}, {"CPU": 3.0}], 2, 0, 2),  # not the three that the sum would hold
        ([NODE, CPU_NODE], 1, 0.1, 8),
        ([{"CPU": 64.0, "GPU": 0.3}], 1, 0.1, 3),
        ([NODE], 0, 0.5, 2),
    ],
)
def test_runs_are_counted_machine_by_machine(monkeypatch, machines, cpus, gpus, jobs):
    fake_ray.install(monkeypatch, *machines)
    assert RayLauncher(None, cpus=cpus, gpus=gpus).jobs == jobs


def test_a_run_that_no_machine_can_hold_is_refused(monkeypatch):
    ray = fake_ray.install(monkeypatch, {"CPU": 2.0}, {"CPU": 2.0}, {"CPU": 8.0})
    ray.machines[2]["Alive"] = False
    with pytest.raises(InputError, match="no machine has: the whole cluster has"):
        RayLauncher(None, cpus=4)


def test_every_machine_that_a_run_fits_on_is_asked_for_its_precision(monkeypatch):
    ray = fake_ray.install(monkeypatch, HEAD, NODE, NODE, CPU_NODE)
    ray.machines[2]["Alive"] = False
    ran = []

    def answer(configs, environment, *, trust):
        assert trust is False  # nothing from outside is named
        ran.append((len(configs), environment["OMP_NUM_THREADS"]))
        return [probe._nothing_found(config, "a word") for config in configs]

    monkeypatch.setattr(probe, "find_precisions", answer)
    launcher = RayLauncher(None, cpus=2, gpus=0.5)
    found = launcher.find_precisions(description().runs())
    sent = [options for name, options, _ in ray.sent if name == "find_precisions_here"]
    (options,) = sent
    assert (options["num_cpus"], options["num_gpus"]) == (0, 0.5)
    strategy = options["scheduling_strategy"]
    assert (strategy.node_id, strategy.soft) == ("node1", False)
    assert ran == [(2, "2")]  # an arm each, not a run each
    assert [(one.extractor, one.precision) for one in found] == [
        ("cnn", "fp32"), ("coordconv", "fp32")]  # fmt: skip


class Counting:
    """A launcher that says how fast it trains, and remembers what it was given."""

    def __init__(self, jobs, outcome="ended"):
        self.jobs, self.outcome, self.started, self.killed = jobs, outcome, [], 0

    def start(self, run, slot):
        config = run.config()
        self.started.append(
            (config.extractor, slot, config.total_timesteps, Decision.load(run.path))
        )
        seconds = 1.0 if config.extractor == "cnn" else 2.0
        Status(state=RunState.DONE, num_timesteps=1000, training_seconds=seconds).save(
            run.status_file
        )
        (run.path / "model.zip").write_bytes(b"x" * 5000)
        return SimpleNamespace(poll=lambda: Outcome(self.outcome, "no"), kill=self.kill)

    def kill(self):
        self.killed += 1


def test_an_estimate_is_measured_where_the_runs_will_be_trained():
    launcher, decision = Counting(jobs=3), Decision(precision="bf16", reason="why")
    configs = description(total_timesteps=100_000).runs()
    found = estimate(configs, launcher, decision)
    steps = estimate_module.SAMPLE_STEPS
    kept = Decision(precision="bf16", reason="decided for the whole sweep: why")
    assert launcher.started == [(name, slot, steps, kept)
                                for name in ("cnn", "coordconv") for slot in range(3)]  # fmt: skip
    assert launcher.killed == 6
    assert found.speeds == {("ppo", "cnn"): 1000.0, ("ppo", "coordconv"): 500.0}
    # Two runs of each arm, three at a time.
    assert found.seconds == pytest.approx((2 * 100 + 2 * 200) / 3)
    assert 4 * 5000 < found.bytes < 4 * 8000


def test_no_more_are_measured_than_there_are_or_than_tell_anything():
    few, many = Counting(jobs=1000), Counting(jobs=1000)
    estimate(description(extractors=("cnn",)).runs(), few)
    estimate(description(extractors=("cnn",), seeds=50).runs(), many)
    assert (len(few.started), len(many.started)) == (2, estimate_module.MOST_AT_A_TIME)


def test_a_measured_training_that_fails_is_an_error_and_nobody_is_left_behind():
    launcher = Counting(jobs=2, outcome="failed")
    with pytest.raises(InputError, match="a training to measure failed"):
        estimate(description(extractors=("cnn",)).runs(), launcher)
    assert launcher.killed == 2


def test_a_plan_without_work_measures_nothing(monkeypatch, tmp_path):
    config, directory = description(seeds=1), SweepDirectory(tmp_path)
    directory.make()
    for one in config.runs():
        Status(state=RunState.DONE).save(directory.run(one).status_file)

    def never(*arguments):
        raise AssertionError("a launcher was made")

    monkeypatch.setattr(command, "_launcher", never)
    console = Console(file=StringIO(), width=200)
    command._show_plan(config, directory, command.SweepArguments(), console)
    assert "0 of 2 runs are to be trained" in console.file.getvalue()


def test_runs_on_a_cluster_are_really_measured_there(monkeypatch, small_a2c, tmp_path):
    """With tasks in this process, but trainings, sync bundles and files as they are."""
    monkeypatch.setattr(estimate_module, "SAMPLE_STEPS", 40)
    monkeypatch.setattr(estimate_module.tempfile, "tempdir", str(tmp_path))
    ray = fake_ray.install(monkeypatch, {"CPU": 1.0})
    config = description(agents=(small_a2c,), extractors=("cnn",), seeds=1, device="cpu",
                         precision="auto")  # fmt: skip
    launcher = RayLauncher(None, cpus=1)
    found = estimate(config.runs(), launcher, Decision(precision="fp32", reason="why"))
    assert found.speeds[("small-a2c", "cnn")] > 0
    assert found.bytes > 1_000_000  # its model has come back
    assert [name for name, _, _ in ray.sent if name == "train_here"] == ["train_here"]
    assert list(tmp_path.glob("rl-coordconv*")) == []
