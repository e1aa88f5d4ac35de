"""A SLURM cluster of this machine's processes: sbatch, squeue and scontrol, and who carries it out.

The commands are small scripts on the PATH that talk to the cluster through files. The cluster is a
thread: it begins an array's tasks as processes, so many at a time, tells them by signals to leave,
as preemption, a time limit and scancel do, requeues them, and loses nodes. Like the real one it
runs a copy of the script, tells SLURM_RESTART_COUNT only to a task that was requeued, signals the
batch shell alone before a time limit but all processes of a job at its end, and ends a task that
is requeued while it runs.
"""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

STEPS = 320
"""Ten rollouts: what each run of a test trains for."""

COMMON = """#!{python}
import argparse, json, os, sys, time
from pathlib import Path
PLACE = Path({place!r})
def refuse(text):
    sys.exit(f"{{Path(sys.argv[0]).name}}: error: {{text}}")
def read(name):
    return json.loads((PLACE / name).read_text())
with (PLACE / "calls.jsonl").open("a") as file:
    file.write(json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
"""

SBATCH = """
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("job-name", "array", "open-mode", "signal", "output", "nodes", "ntasks",
             "cpus-per-task", "partition", "time", "account", "gres", "dependency"):
    parser.add_argument("--" + name)
parser.add_argument("--parsable", action="store_true")
parser.add_argument("--requeue", action="store_true")
parser.add_argument("script")
parser.add_argument("arguments", nargs="*")
given = parser.parse_args()
if given.partition == "closed":
    print("sbatch: error: invalid partition specified: closed", file=sys.stderr)
    refuse("Batch job submission failed: Invalid partition name specified")
span, _, most = given.array.partition("%")
first, last = map(int, span.split("-"))
if last >= read("config.json")["max_array_size"]:
    refuse("Batch job submission failed: Invalid job array specification")
number = 1
while True:
    try:
        (PLACE / "jobs" / str(number)).mkdir()
        break
    except FileExistsError:
        number += 1
job = vars(given) | {"id": number, "size": last - first + 1, "most": int(most or 10**9),
                     "script": Path(given.script).read_text(), "cwd": os.getcwd(),
                     "environment": dict(os.environ)}
part = PLACE / "jobs" / str(number) / "part"
part.write_text(json.dumps(job))
part.rename(part.with_name("job.json"))
while not any(row["job"] == number for row in read("queue.json")):
    time.sleep(0.02)
print(number)
"""

SQUEUE = """
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("user", "format", "jobs"):
    parser.add_argument("--" + name)
parser.add_argument("--noheader", action="store_true", required=True)
parser.add_argument("--array", action="store_true")
given = parser.parse_args()
rows = [row for row in read("queue.json") if row["is_queued"]]
if given.jobs:
    rows = [row for row in rows if f"{row['job']}_{row['index']}" == given.jobs]
    if not rows:
        refuse("slurm_load_jobs error: Invalid job id specified")
for row in rows:
    print(given.format.replace("%j", row["name"]).replace("%K", str(row["index"]))
          .replace("%T", row["state"]))
"""

SCONTROL = """
if sys.argv[1:3] == ["show", "config"]:
    print(f"Configuration data as of now\\nMaxArraySize            = "
          f"{read('config.json')['max_array_size']}\\nMaxJobCount             = 10000")
elif sys.argv[1] == "requeue":
    asked = PLACE / "requeue" / sys.argv[2]
    asked.touch()
    while asked.exists():
        time.sleep(0.02)
else:
    refuse("unknown")
"""


@dataclass
class Task:
    """One task of an array."""

    job: dict
    index: int
    state: str = "PENDING"
    restarts: int = 0
    process: subprocess.Popen | None = None
    begun: float = 0.0
    codes: list = field(default_factory=list)

    @property
    def name(self):
        return f"{self.job['id']}_{self.index}"

    @property
    def mark(self):
        """What all processes of an attempt have in their environment."""
        return f"FAKE_SLURM_ATTEMPT={self.name}.{self.restarts}"

    def processes(self):
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def signal_all(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def signal_shell(self, number):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class Cluster:
    """The controller and its nodes.

    Args:
        place: a folder for its files.
        max_array_size: as the real one's.
        begins: whether tasks are begun at all; otherwise they wait.
        kill_wait: seconds between the request to end and the end.
    """

    def __init__(self, place, max_array_size=1001, begins=True, kill_wait=20.0):
        self.place, self.begins, self.kill_wait = place, begins, kill_wait
        self.tasks, self.lock, self.is_over = [], threading.RLock(), False
        for name in ("jobs", "requeue", "bin"):
            (place / name).mkdir(parents=True)
        self._write("config.json", {"max_array_size": max_array_size})
        self._write("queue.json", [])
        (place / "calls.jsonl").touch()
        for name, body in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scontrol", SCONTROL)):
            path = place / "bin" / name
            path.write_text(COMMON.format(python=sys.executable, place=str(place)) + body)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over = True
        self.thread.join()
        for task in self.tasks:
            if task.process is not None:
                task.signal_all(signal.SIGKILL)
                task.process.wait()

    @property
    def path(self):
        return f"{self.place / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def calls(self, command):
        """Return the arguments of each call of a command, in order."""
        lines = (self.place / "calls.jsonl").read_text().splitlines()
        return [call[1:] for call in map(json.loads, lines) if call[0] == command]

    def task(self, name):
        return next(task for task in self.tasks if task.name == name)

    def running(self):
        with self.lock:
            return [task for task in self.tasks if task.state == "RUNNING"]

    def wait_until_idle(self, seconds=240):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.lock:
                if self.tasks and all(task.state in ("ENDED", "CANCELLED") for task in self.tasks):
                    return
            time.sleep(0.05)
        raise AssertionError(f"still in the queue: {[(t.name, t.state) for t in self.tasks]}")

    # What happens to jobs

    def ask_to_leave(self, task):
        """As --signal=B:TERM@180 does before a time limit."""
        task.signal_shell(signal.SIGTERM)

    def preempt(self, task):
        """As PreemptMode=REQUEUE: the scheduler asks, waits, ends and requeues by itself."""
        with self.lock:
            if task.state != "RUNNING":
                return
            task.state = "COMPLETING"
        threading.Thread(target=self._end, args=(task, "PENDING"), daemon=True).start()

    def cancel(self, task):
        """As scancel."""
        with self.lock:
            task.state = "COMPLETING"
        threading.Thread(target=self._end, args=(task, "CANCELLED"), daemon=True).start()

    def lose_node(self, task):
        """As a power cut: nothing is told to anybody; the job is requeued."""
        with self.lock:
            if task.state != "RUNNING":
                return
            task.state = "COMPLETING"
            while task.processes():  # the dead keep their environment until they are waited for
                task.signal_all(signal.SIGKILL)
                task.process.poll()
            self._ended(task, "PENDING")

    def _end(self, task, then):
        task.signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self.kill_wait
        while time.monotonic() < deadline and task.process.poll() is None:
            time.sleep(0.02)
        task.signal_all(signal.SIGKILL)
        task.process.wait()
        with self.lock:
            self._ended(task, then)

    def _ended(self, task, then):
        task.codes.append(task.process.wait())
        task.state = then
        if then == "PENDING":
            task.restarts += 1

    # The controller's own work

    def _work(self):
        while not self.is_over:
            with self.lock:
                self._take_in()
                self._requeue()
                self._notice_ends()
                if self.begins:
                    self._begin()
                self._write("queue.json", [self._row(task) for task in self.tasks])
            time.sleep(0.02)

    def _row(self, task):
        return {"job": task.job["id"], "index": task.index, "name": task.job["job_name"],
                "state": task.state,
                "is_queued": task.state not in ("ENDED", "CANCELLED")}  # fmt: skip

    def _take_in(self):
        known = {task.job["id"] for task in self.tasks}
        for path in sorted(self.place.glob("jobs/*/job.json"), key=lambda one: int(one.parts[-2])):
            if int(path.parts[-2]) not in known:
                job = json.loads(path.read_text())
                self.tasks += [Task(job, index) for index in range(job["size"])]

    def _requeue(self):
        for asked in (self.place / "requeue").iterdir():
            task = self.task(asked.name)
            if task.state == "RUNNING":
                task.state = "COMPLETING"
                threading.Thread(target=self._end, args=(task, "PENDING"), daemon=True).start()
            asked.unlink()

    def _notice_ends(self):
        for task in self.tasks:
            if task.state == "RUNNING" and task.process.poll() is not None:
                self._ended(task, "ENDED")

    def _begin(self):
        for task in self.tasks:
            at_work = sum(
                one.state in ("RUNNING", "COMPLETING") and one.job["id"] == task.job["id"]
                for one in self.tasks
            )
            if task.state == "PENDING" and at_work < task.job["most"] and self._may_begin(task):
                self._start(task)

    def _may_begin(self, task):
        kind, _, before = (task.job["dependency"] or "").partition(":")
        assert kind in ("", "afterany")
        return all(one.state in ("ENDED", "CANCELLED") for one in self.tasks
                   if before and one.job["id"] == int(before))  # fmt: skip

    def _start(self, task):
        job = task.job
        spool = self.place / "jobs" / str(job["id"]) / "slurm_script"
        spool.write_text(job["script"])
        environment = job["environment"] | {
            "SLURM_JOB_ID": str(job["id"] * 1000 + task.index),
            "SLURM_ARRAY_JOB_ID": str(job["id"]),
            "SLURM_ARRAY_TASK_ID": str(task.index),
            **dict([task.mark.split("=")]),
        }
        if task.restarts:
            environment["SLURM_RESTART_COUNT"] = str(task.restarts)
        log = job["output"].replace("%A", str(job["id"])).replace("%a", str(task.index))
        mode = {"append": "ab", "truncate": "wb"}[job["open_mode"]]
        with open(log.replace("%%", "%"), mode) as file:
            task.process = subprocess.Popen(
                ["bash", str(spool), *job["arguments"]], cwd=job["cwd"], env=environment,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        task.state, task.begun = "RUNNING", time.monotonic()

    def _write(self, name, data):
        part = self.place / f"{name}.part"
        part.write_text(json.dumps(data))
        part.rename(self.place / name)


def disturb(cluster, seed, stop, happened, pause=(0.5, 4.0)):
    """Let things happen to a cluster's tasks until ``stop`` is set, and add each to a list."""
    chance = random.Random(seed)
    while not stop.wait(chance.uniform(*pause)):
        running = cluster.running()
        if running:
            kind = chance.choice(["ask_to_leave", "preempt", "lose_node"])
            getattr(cluster, kind)(chance.choice(running))
            happened.append(kind)
