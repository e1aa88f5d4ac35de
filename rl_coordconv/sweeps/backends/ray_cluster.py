"""The Ray launcher: runs are trained on a cluster whose machines need not share any files.

Each run is a Ray task that trains in a folder of its own machine and sends its files back as it
goes: the small ones every few seconds, all of them after each checkpoint. What has arrived lies in
the sweep's directory as if the run had been trained there, so that resuming, retrying and comparing
are the same as with local processes. A machine that is lost costs what it did since the last
checkpoint that has arrived; so does the loss of the driver.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from rl_coordconv._util.errors import InputError, missing_extra
from rl_coordconv._util.importing import trusted_names
from rl_coordconv.runs import RunBusyError, RunConfig, RunDirectory
from rl_coordconv.runs.precision import Finding
from rl_coordconv.sweeps import probe, worker, worker_log
from rl_coordconv.sweeps.backends.local import outcome_of
from rl_coordconv.sweeps.backends.spec import BackendSpec
from rl_coordconv.sweeps.backends.sync_bundles import CHECKPOINTS, pack, unpack
from rl_coordconv.sweeps.plan import SweepConfig
from rl_coordconv.sweeps.resources import check_gpus_asked
from rl_coordconv.sweeps.supervisor import Outcome

_LOOK_SECONDS = 1.0
_SMALL_SECONDS = 10.0


class RayLauncher:
    """Starts one Ray task a run.

    Args:
        address: the cluster's; None takes ``RAY_ADDRESS``, or starts Ray on this machine.
        cpus: CPUs that a run asks for, and the threads it gets.
        gpus: GPUs that a run asks for; fractions share one.
        jobs: runs at a time; None takes as many as fit into the cluster.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: no cluster at the address, or no resources in it for a single run.
    """

    def __init__(
        self, address: str | None, *, cpus: float, gpus: float = 0.0, jobs: int | None = None
    ) -> None:
        self._ray = ray = _import_ray()
        self._needs = {"CPU": cpus, "GPU": gpus}
        self._owns = not ray.is_initialized()
        if self._owns:
            _connect(ray, address)
        fits = _fitting(ray.nodes(), self._needs)
        self.jobs = fits if jobs is None else jobs
        if self.jobs < 1:
            raise InputError(f"jobs {self.jobs} is not at least 1")
        self._threads = max(1, int(cpus))
        self._stop_flag = ray.remote(num_cpus=0)(_StopFlag).remote()
        # A task that Ray itself tried again would begin with the files of the first attempt.
        self._train = ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_retries=0, num_returns="streaming"
        )(train_here)

    def start(self, run: RunDirectory, slot: int) -> RayJob:
        """Send a run to the cluster; Ray decides which machine trains it, and when."""
        return RayJob(self._ray, self._train, self._stop_flag, run, self._threads)

    def find_precisions(self, configs: Sequence[RunConfig]) -> list[Finding]:
        """Find the precision of every arm on every machine that a run fits on."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        data = [config.model_dump(mode="json") for config in probe.one_of_each_arm(configs)]
        task = self._ray.remote(num_cpus=0, num_gpus=self._needs["GPU"])(find_precisions_here)
        answers = [
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(data, self._threads, bool(trusted_names()))
            for node in self._ray.nodes()
            if node["Alive"] and _fitting_on(node["Resources"], self._needs)
        ]
        return [Finding(**finding) for found in self._ray.get(answers) for finding in found]

    def describe(self) -> str:
        """Say how many runs at a time are trained, with what, and where."""
        cpus, gpus = self._needs["CPU"], self._needs["GPU"]
        share = f"{cpus:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
        return f"{self.jobs} at a time with {share} each on the Ray cluster"

    def close(self) -> None:
        """Leave the cluster."""
        if self._owns:
            self._ray.shutdown()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise missing_extra("ray", "ray", "the backend 'ray'") from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    address = address or os.environ.get("RAY_ADDRESS")
    host, _, port = (address or "").rpartition(":")
    try:
        if host and "/" not in host and port.isdigit():
            # Ray itself would ask for minutes.
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level="warning",
                 **({} if address else {"include_dashboard": False}))  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(f"no Ray cluster answers at {address!r}: {error}") from error


def _fitting(nodes: Sequence[dict[str, Any]], needs: Mapping[str, float]) -> int:
    """Return how many runs the cluster's machines can hold at a time, each of them on one.

    Raises:
        InputError: not a single one.
    """
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    fits = sum(_fitting_on(machine, needs) for machine in machines)
    if fits < 1:
        has = [{name: machine.get(name, 0) for name in needs} for machine in machines]
        raise InputError(
            f"a run asks for {dict(needs)}, which no machine has: the whole cluster has {has}"
        )
    return fits


def _fitting_on(resources: Mapping[str, float], needs: Mapping[str, float]) -> int:
    # A tenth of a GPU goes ten times into one, which 0.3 / 0.1 in binary numbers does not show.
    counts = [int(resources.get(name, 0) / need + 1e-9) for name, need in needs.items() if need > 0]
    return min(counts, default=1)


class _StopFlag:
    """A flag by run: whether it is to save and stop."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def set(self, name: str) -> None:
        """Ask a run to stop."""
        self._names.add(name)

    def is_set(self, name: str) -> bool:
        """Tell whether a run is to stop."""
        return name in self._names


class RayJob:
    """A run that is being trained somewhere in the cluster."""

    def __init__(
        self, ray: Any, train: Any, stop_flag: Any, run: RunDirectory, threads: int
    ) -> None:
        self._ray, self._stop_flag, self._run = ray, stop_flag, run
        # A key of its own: the stop flag of an earlier attempt at this run may still be set.
        self._key = f"{run.path.name} {time.monotonic_ns()}"
        self._outcome: Outcome | None = None
        self._lock = ExitStack()
        try:
            self._lock.enter_context(run.locked())
        except RunBusyError:
            self._outcome = Outcome("busy")
            return
        bundle = pack(run.path, whole=True)
        self._stream = train.remote(
            bundle, run.path.name, self._key, stop_flag, threads, bool(trusted_names())
        )
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        """Put what arrives in its place, until the run or its machine is gone."""
        outcome = Outcome("failed", "the task ended without a word")
        try:
            for reference in self._stream:
                kind, content = self._ray.get(reference)
                if kind == "files":
                    self._run.check_held()
                    unpack(content, self._run.path)
                else:
                    outcome = outcome_of(content)
        except RunBusyError:  # another process has taken it over
            outcome = Outcome("busy")
        except Exception as error:  # whatever Ray or the disk says, the run is not lost
            outcome = Outcome("failed", f"{type(error).__name__}: {str(error).splitlines()[0]}")
        finally:
            self._lock.close()
            self._outcome = outcome

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it goes on."""
        return self._outcome

    def terminate(self) -> None:
        """Ask it to save, send its files and stop."""
        self._stop_flag.set.remote(self._key)

    def kill(self) -> None:
        """End it at once."""
        with suppress(Exception):  # it may have ended by itself
            self._ray.cancel(self._stream, force=True)


def train_here(
    bundle: bytes, name: str, key: str, stop_flag: Any, threads: int, trust: bool = False
) -> Iterator[tuple[str, Any]]:
    """Train a run on the machine that Ray chose, and yield its files as they come about.

    Args:
        bundle: the run's directory so far.
        name: of the run's directory.
        key: of this attempt in the stop flag.
        stop_flag: a `_StopFlag`.
        threads: of torch and of the emulator.
        trust: as for `worker.command`.

    Yields:
        ``("files", bundle)`` again and again, at last ``("exit", exit code)``.
    """
    with tempfile.TemporaryDirectory(prefix="rl-coordconv-") as folder:
        run = Path(folder) / name
        (run / CHECKPOINTS).mkdir(parents=True)
        unpack(bundle, run)
        process = _start(run, threads, trust)
        try:
            yield from _watch(process, run, key, stop_flag)
            yield "files", pack(run, whole=True)
            yield "exit", process.returncode
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


def find_precisions_here(
    configs: list[dict[str, Any]], threads: int, trust: bool = False
) -> list[dict[str, Any]]:
    """Find the precision of some runs on the machine that Ray chose; plain data both ways."""
    return probe.find_precisions(configs, worker.environment(threads), trust=trust)


def _start(run: Path, threads: int, trust: bool) -> subprocess.Popen[bytes]:
    command = worker.command(run, threads, trust=trust)
    environment = worker.environment(threads)
    with worker_log.open_log(run) as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=log,
                                stderr=subprocess.STDOUT)  # fmt: skip


def _watch(
    process: subprocess.Popen[bytes], run: Path, key: str, stop_flag: Any
) -> Iterator[tuple[str, bytes]]:
    sent, sent_at, is_asked = _checkpoints(run), time.monotonic(), False
    while process.poll() is None:
        time.sleep(_LOOK_SECONDS)
        if not is_asked and _is_set(stop_flag, key):
            process.send_signal(signal.SIGTERM)
            is_asked = True
        now = _checkpoints(run)
        if now != sent:
            sent, sent_at = now, time.monotonic()
            yield "files", pack(run, whole=True)
        elif time.monotonic() - sent_at >= _SMALL_SECONDS:
            sent_at = time.monotonic()
            yield "files", pack(run, whole=False)


def _checkpoints(run: Path) -> set[str]:
    names = {path.name for path in (run / CHECKPOINTS).iterdir()}
    return {name for name in names if not name.startswith(".")}


def _is_set(stop_flag: Any, key: str) -> bool:
    import ray

    try:
        return bool(ray.get(stop_flag.is_set.remote(key), timeout=5))
    except Exception:  # the flag's machine is gone, or slow: then nobody asks
        return False


def _launch(config: SweepConfig, n_runs: int, options: Mapping[str, Any]) -> RayLauncher:
    # What the cluster's machines have, they find out themselves; what Ray hides, it hides.
    check_gpus_asked(config.device, options["gpus_per_run"], "Ray shows no GPU to a run")
    return RayLauncher(
        options["ray_address"],
        cpus=options["cpus_per_run"],
        gpus=options["gpus_per_run"],
        jobs=options["jobs"],
    )


SPEC = BackendSpec("ray", {"ray_address": None, "cpus_per_run": 1.0, "gpus_per_run": 0.0}, _launch)
