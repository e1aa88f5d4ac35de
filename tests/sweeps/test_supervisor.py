"""The supervisor's decisions, with workers that end as the test says."""

from collections import defaultdict

import pytest

from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.sweeps.backends.local import outcome_of
from rl_coordconv.sweeps.supervisor import Entry, Outcome, Supervisor
from rl_coordconv.training.resolve import resolve_run


class Script:
    """A launcher whose workers follow a script: one word for each try of each run."""

    def __init__(self, jobs, **words):
        self.jobs, self.words = jobs, words
        self.tries, self.at_work, self.most = defaultdict(list), 0, 0
        self.slots, self.closed = set(), False

    def start(self, run, slot):
        name = f"seed{run.config().seed}"
        words = self.words.get(name, ["done"])
        word = words[min(len(self.tries[name]), len(words) - 1)]
        self.tries[name].append(word)
        if word == "unstartable":
            raise OSError(28, "No space left on device")
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        assert slot not in self.slots
        self.slots.add(slot)
        return ScriptedJob(self, run, word, slot)

    def close(self):
        self.closed = True


class ScriptedJob:
    def __init__(self, script, run, word, slot):
        self.script, self.run, self.word, self.slot, self.looks = script, run, word, slot, 0
        self.asked = self.killed = False

    def poll(self):
        self.looks += 1
        if self.asked:
            Status(state=RunState.INTERRUPTED, num_timesteps=7).save(self.run.status_file)
            return self._end(Outcome("stopped"))
        if self.word == "stalls" and self.looks == 2:
            Status(state=RunState.RUNNING, num_timesteps=5).save(self.run.status_file)
        if self.looks < 3 or self.word in ("endless", "stalls"):
            return None
        if self.word == "done":
            Status(state=RunState.DONE, num_timesteps=9).save(self.run.status_file)
            return self._end(Outcome("ended"))
        if self.word == "raises":
            Status(state=RunState.FAILED, error="ValueError: no").save(self.run.status_file)
            return self._end(Outcome("failed", "the process ended with exit code 1"))
        if self.word == "diverges":
            before = self.run.status()
            Status(
                state=RunState.FAILED, error="DivergedError: NaN", num_timesteps=4,
                divergences=before.divergences + 1, divergence_retries=before.divergences,
            ).save(self.run.status_file)  # fmt: skip
            return self._end(Outcome("failed", "the process ended with exit code 1"))
        if self.word == "garbles":
            self.run.status_file.write_bytes(b"\0" * 300)
            return self._end(Outcome("failed", "the process was ended by SIGKILL"))
        if self.word == "killed":
            Status(state=RunState.RUNNING, num_timesteps=5).save(self.run.status_file)
            (self.run.path / "worker.log").write_text("last words\n")
            return self._end(Outcome("failed", "the process was ended by SIGKILL"))
        return self._end(Outcome(self.word))

    def _end(self, outcome):
        self.script.at_work -= 1
        self.script.slots.discard(self.slot)
        return outcome

    def terminate(self):
        self.asked = True

    def kill(self):
        self.killed = True
        self.script.at_work -= 1
        self.script.slots.discard(self.slot)


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Build a supervisor of some runs whose waiting times are nothing."""
    monkeypatch.setattr("rl_coordconv.sweeps.supervisor.time.sleep", lambda _: None)
    clock = iter(range(10**9))
    monkeypatch.setattr("rl_coordconv.sweeps.supervisor.time.monotonic",
                        lambda: next(clock))  # fmt: skip

    def build(script, count=3, **options):
        entries = [
            Entry(RunDirectory.create(resolve_run("Pong", seed=seed), tmp_path), 9)
            for seed in range(count)
        ]
        lines = []
        return Supervisor(entries, script, tell=lines.append, **options), lines

    return build


def states(supervisor):
    return [entry.state for entry in supervisor.entries]


def test_all_runs_are_trained_so_many_at_a_time(begin):
    script = Script(jobs=2)
    supervisor, lines = begin(script, count=5)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.DONE] * 5
    assert [len(tries) for tries in script.tries.values()] == [1] * 5
    assert script.most == 2
    assert script.closed
    assert sum(line.endswith("is done") for line in lines) == 5


def test_what_is_done_is_not_done_again(begin):
    script = Script(jobs=2)
    supervisor, _ = begin(script)
    Status(state=RunState.DONE).save(supervisor.entries[1].run.status_file)
    supervisor.work(lambda: False)
    assert sorted(script.tries) == ["seed0", "seed2"]


def test_failed_runs_are_tried_again_and_then_given_up(begin):
    script = Script(jobs=1, seed0=["killed", "raises", "done"], seed1=["killed"], seed2=["raises"])
    supervisor, lines = begin(script, retries=3)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.DONE, RunState.FAILED, RunState.FAILED]
    assert [len(script.tries[f"seed{seed}"]) for seed in range(3)] == [3, 4, 4]
    killed, raised = (entry.run.status() for entry in supervisor.entries[1:])
    assert killed.error == "the process was ended by SIGKILL"
    assert killed.traceback == "last words"
    assert killed.num_timesteps == 5
    assert raised.error == "ValueError: no"
    assert sum("has failed for good" in line for line in lines) == 2


def test_a_worker_that_cannot_be_started_counts_as_failed(begin):
    script = Script(jobs=1, seed0=["unstartable"], seed1=["unstartable", "done"])
    supervisor, _ = begin(script, count=2)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.FAILED, RunState.DONE]
    assert "No space left" in supervisor.entries[0].run.status().error


def test_one_that_gives_no_sign_of_life_any_more_is_ended_and_replaced(begin):
    script = Script(jobs=1, seed0=["stalls", "done"])
    supervisor, lines = begin(script, count=1, stall_seconds=50)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.DONE]
    assert "failed (no sign of life for 50 seconds)" in "\n".join(lines)


def test_one_that_has_not_begun_is_waited_for(begin):
    script = Script(jobs=1, seed0=["endless"])
    supervisor, _ = begin(script, count=1, stall_seconds=50)
    looks = iter([False] * 200)
    supervisor.work(lambda: next(looks, True))
    assert script.tries["seed0"] == ["endless"]


def test_without_retries_one_failure_is_enough(begin):
    script = Script(jobs=1, seed0=["killed"])
    supervisor, _ = begin(script, count=1, retries=0)
    supervisor.work(lambda: False)
    assert script.tries["seed0"] == ["killed"]
    assert states(supervisor) == [RunState.FAILED]


def test_a_run_that_others_hold_is_waited_for_and_no_failure(begin):
    script = Script(jobs=1, seed0=["busy", "busy", "stopped", "done"])
    supervisor, _ = begin(script, count=1, retries=0)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.DONE]
    assert len(script.tries["seed0"]) == 4


def test_when_asked_to_stop_it_asks_its_workers(begin):
    script = Script(jobs=2, seed0=["endless"], seed1=["endless"])
    supervisor, _ = begin(script)
    asked = iter([False] * 5)
    supervisor.work(lambda: next(asked, True))
    assert states(supervisor) == [RunState.INTERRUPTED, RunState.INTERRUPTED, RunState.PENDING]
    assert script.at_work == 0


def test_an_error_of_its_own_leaves_no_worker_behind(begin):
    script = Script(jobs=2, seed0=["endless"], seed1=["endless"])
    jobs = []
    start = script.start
    script.start = lambda run, slot: jobs.append(start(run, slot)) or jobs[-1]

    def broken():
        if jobs:
            raise RuntimeError("the display broke")

    supervisor, _ = begin(script, show=broken)
    with pytest.raises(RuntimeError, match="display"):
        supervisor.work(lambda: False)
    assert [job.killed for job in jobs] == [True, True]


def test_a_run_that_diverged_is_not_tried_again(begin):
    script = Script(jobs=1, seed0=["diverges", "done"], seed1=["killed", "diverges", "done"])
    supervisor, lines = begin(script)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.FAILED, RunState.FAILED, RunState.DONE]
    assert [len(script.tries[f"seed{seed}"]) for seed in range(3)] == [1, 2, 1]
    told = [line for line in lines if "has diverged and is not tried again" in line]
    assert len(told) == 2
    assert "DivergedError: NaN" in told[0]


def test_nor_is_it_when_the_sweep_is_given_again(begin):
    script = Script(jobs=1, seed0=["diverges", "done"])
    supervisor, _ = begin(script, count=1)
    supervisor.work(lambda: False)
    supervisor, lines = begin(script, count=1)
    supervisor.work(lambda: False)
    assert script.tries["seed0"] == ["diverges"]
    assert states(supervisor) == [RunState.FAILED]
    assert "had diverged and is not tried again: DivergedError: NaN" in lines[0]


def test_unless_that_is_asked_for(begin):
    script = Script(jobs=1, seed0=["diverges", "diverges", "done"], seed1=["diverges"])
    supervisor, _ = begin(script, count=2, retry_diverged=True, retries=3)
    supervisor.work(lambda: False)
    assert states(supervisor) == [RunState.DONE, RunState.FAILED]
    assert [len(script.tries[f"seed{seed}"]) for seed in range(2)] == [3, 4]
    status = supervisor.entries[1].run.status()
    assert (status.divergences, status.divergence_retries) == (4, 3)


def test_a_run_whose_files_are_damaged_stops_no_other(begin):
    script = Script(jobs=1, seed2=["garbles"])
    supervisor, lines = begin(script, count=4, retries=1)
    supervisor.entries[0].run.status_file.write_bytes(b"")
    supervisor.entries[1].damage = "its config.yaml is damaged"
    supervisor.work(lambda: False)
    failed, done = RunState.FAILED, RunState.DONE
    assert states(supervisor) == [failed, failed, failed, done]
    assert sorted(script.tries) == ["seed2", "seed3"]
    assert "status.json is damaged: empty" in lines[0]
    assert lines[1].endswith("has failed for good: its config.yaml is damaged")
    assert "status.json is damaged: no JSON" in supervisor.entries[2].status().error
    # What is there is not written over: somebody may want to look at it.
    assert supervisor.entries[0].run.status_file.read_bytes() == b""


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome("ended")),
        (75, Outcome("busy")),
        (74, Outcome("failed", "the disk is full")),
        (130, Outcome("stopped")),
        (143, Outcome("stopped")),
        (1, Outcome("failed", "the process ended with exit code 1")),
        (-9, Outcome("failed", "the process was ended by SIGKILL")),
        (-11, Outcome("failed", "the process was ended by SIGSEGV")),
    ],
)
def test_exit_codes_have_a_meaning(code, outcome):
    assert outcome_of(code) == outcome
