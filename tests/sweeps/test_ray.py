"""A sweep on a real Ray cluster of several nodes on this machine, one of which is lost."""

import io
import os
import signal
import subprocess
import sys
import threading

import pytest
from rich.console import Console
from small_sweeps import description, runs_of, wait_for

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.reading import read_json
from rl_coordconv.cli import main
from rl_coordconv.runs import RunState, read_metrics
from rl_coordconv.runs.precision import Decision
from rl_coordconv.sweeps.backends.ray_cluster import RayLauncher
from rl_coordconv.sweeps.directory import SweepDirectory
from rl_coordconv.sweeps.run import sweep

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # Ray's own, when its processes and sockets end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster():
    """Start a head without CPUs and two nodes that hold a run each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def test_runs_come_back_whole_and_a_lost_node_costs_no_run(tmp_path, small_a2c, cluster):
    the_cluster, nodes = cluster
    steps = 12_000
    config = description(small_a2c, total_timesteps=steps)
    text, codes = io.StringIO(), []
    launcher = RayLauncher(the_cluster.address, cpus=1)
    assert launcher.jobs == 2

    def work():
        directory = SweepDirectory(tmp_path)
        codes.append(sweep(config, directory, launcher, Console(file=text, width=200)))

    thread = threading.Thread(target=work)
    thread.start()
    # Both have sent something: both are being trained.
    wait_for(lambda: (tmp_path / "runs").is_dir() and len(runs_of(tmp_path)) == 2 and all(
        run.status().state is RunState.RUNNING for run in runs_of(tmp_path)))  # fmt: skip
    the_cluster.remove_node(nodes[0], allow_graceful=False)
    thread.join(timeout=500)
    assert not thread.is_alive()
    assert codes == [0], text.getvalue()
    assert "failed (" in text.getvalue()
    for run in runs_of(tmp_path):
        status = run.status()
        assert (status.state, status.num_timesteps) == (RunState.DONE, steps)
        assert run.model_file.is_file()
        assert len(list(run.checkpoints.iterdir())) >= 1
        rows = [row["step"] for row in read_metrics(run.metrics_file)]
        assert rows[:-1] == sorted(set(rows))  # the end is logged twice
        assert rows[-1] == steps
        assert not [path for path in run.path.iterdir() if path.name.startswith(".sync-bundle")]


def test_after_the_driver_is_lost_another_one_goes_on(tmp_path, small_a2c, cluster):
    the_cluster, _ = cluster
    output = tmp_path / "sweep"
    command = [sys.executable, "-m", "rl_coordconv", "sweep", "--games", "Pong", "--agents",
               small_a2c, "--extractors", "cnn", "--seeds", "1", "--total-timesteps", "1_000_000",
               "--precision", "fp32", "--eval-episodes", "0", "--device", "cpu", "--backend",
               "ray", "--ray-address", the_cluster.address, "--output", str(output)]  # fmt: skip
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: (output / "runs").is_dir() and runs_of(output))
        (run,) = runs_of(output)
        wait_for(lambda: read_metrics(run.metrics_file))
    finally:
        first.kill()
        first.wait()
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        before = run.status().heartbeat
        wait_for(lambda: run.status().heartbeat > before)
        second.send_signal(signal.SIGINT)  # Ctrl-C: the run is asked to save, and comes back
        text, _ = second.communicate(timeout=120)
    finally:
        second.kill()
    assert second.returncode == 130, text
    status = run.status()
    assert status.state is RunState.INTERRUPTED
    assert status.num_timesteps > 0
    assert [path.name for path in run.checkpoints.iterdir()] == [
        f"step_{status.num_timesteps:012d}"
    ]


def test_the_clusters_machines_decide_the_precision_and_the_plan(
    tmp_path, small_a2c, cluster, capsys
):
    """The driver's own hardware is not asked; every node is, and each run keeps the answer."""
    the_cluster, _ = cluster
    launcher = RayLauncher(the_cluster.address, cpus=1)
    config = description(small_a2c, precision="auto")
    found = launcher.find_precisions(config.runs())
    assert sorted(one.extractor for one in found) == ["cnn", "cnn", "coordconv", "coordconv"]
    assert all(one.reason.startswith("auto: ") for one in found), found
    text = io.StringIO()
    console = Console(file=text, width=200)
    assert sweep(config, SweepDirectory(tmp_path), launcher, console) == 0, text.getvalue()
    decision = Decision.load(tmp_path)
    assert len(decision.findings) == 4
    for run in runs_of(tmp_path):
        environment = read_json(run.environment_file)
        assert environment["precision"] == decision.precision
        assert environment["precision_reason"].startswith("decided for the whole sweep: auto: ")

    argv = ["sweep", "--games", "Pong", "--agents", small_a2c, "--extractors", "cnn", "--seeds",
            "3", "--total-timesteps", "40", "--precision", "fp32", "--eval-episodes", "0",
            "--device", "cpu", "--backend", "ray", "--ray-address", the_cluster.address,
            "--output", str(tmp_path / "planned"), "--dry-run"]  # fmt: skip
    assert main(argv) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 of 3 runs are to be trained, 2 at a time with 1 CPUs each on the Ray cluster" in shown
    assert not (tmp_path / "planned").exists()


def test_what_does_not_fit_is_refused(cluster):
    the_cluster, _ = cluster
    with pytest.raises(InputError, match="the whole cluster has"):
        RayLauncher(the_cluster.address, cpus=1, gpus=1)


def test_an_address_where_nobody_answers_is_refused():
    environment = os.environ | {"RAY_raylet_start_wait_time_s": "5"}
    code = ("from rl_coordconv.sweeps.backends.ray_cluster import RayLauncher\n"
            "RayLauncher('127.0.0.1:1', cpus=1)")  # fmt: skip
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                            env=environment, timeout=300, check=False)  # fmt: skip
    assert result.returncode != 0
    assert "127.0.0.1:1" in result.stderr
