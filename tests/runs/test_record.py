"""record.json: what a run's logs held is remembered, and missed."""

import json

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.runs import RunDirectory, RunState, Status
from rl_coordconv.runs.record import add_mark, check_record, load_record, record_finish, take_up
from rl_coordconv.training.resolve import resolve_run

ROWS = "".join(f"{value}.0,16,1.0,{step}\n" for value, step in enumerate(range(10, 110, 10)))
GAMES = f"#{{}}\nr,l,t,step\n{ROWS}"


@pytest.fixture
def run(tmp_path):
    """A run with ten games and two rows of metrics, marked at step 100."""
    run = RunDirectory.create(resolve_run("Aim", device="cpu"), tmp_path)
    run.episodes_file.write_text(GAMES)
    run.metrics_file.write_text('{"step": 50}\n{"step": 100}\n')
    Status(state=RunState.INTERRUPTED, num_timesteps=100).save(run.status_file)
    add_mark(run, 100)
    return run


def test_what_is_there_is_no_loss(run):
    assert take_up(run, 100) == []
    check_record(run, RunState.INTERRUPTED)
    mark = load_record(run).at(100)
    assert (mark.files["monitor.csv"].lines, mark.files["metrics.jsonl"].lines) == (12, 2)


def test_what_came_after_a_mark_is_dropped_to_the_byte(run):
    with run.episodes_file.open("a") as file:
        file.write(ROWS + "7.0,16,1.0,11")
    check_record(run, RunState.INTERRUPTED)
    assert take_up(run, 100) == []
    assert run.episodes_file.read_text() == GAMES


@pytest.mark.parametrize(
    ("lose", "words"),
    [
        (lambda path: path.unlink(), "is missing, of the 12 lines that it had at step 100"),
        (lambda path: path.write_text(GAMES[: len(GAMES) // 2]), "has 6 of the 12 lines"),
        (lambda path: path.write_text(GAMES.replace("3.0", "9.0")), "has been changed"),
    ],
)
def test_a_loss_is_said_when_it_is_met_and_never_forgotten(run, lose, words):
    lose(run.episodes_file)
    with pytest.raises(InputError, match=f"monitor.csv {words}"):
        check_record(run, RunState.INTERRUPTED)
    [said] = take_up(run, 100)
    assert f"monitor.csv {words}" in said
    # The rest of the training is marked anew; the gap stays.
    add_mark(run, 200)
    assert take_up(run, 200) == []
    for state in (RunState.DONE, RunState.INTERRUPTED, RunState.FAILED):
        with pytest.raises(InputError, match=f"when it was resumed, .*monitor.csv {words}"):
            check_record(run, state)


def test_an_older_checkpoint_asks_for_what_was_there_then(run):
    run.episodes_file.write_text(GAMES + "9.0,16,1.0,150\n")
    add_mark(run, 200)
    run.episodes_file.write_text(GAMES)
    assert take_up(run, 100) == []
    run.episodes_file.write_text(GAMES[:-20])
    assert len(take_up(run, 150)) == 1


def test_of_a_finished_run_nothing_may_be_missing_or_added(run):
    run.evaluation_file.write_text("{}")
    record_finish(run)
    check_record(run, RunState.DONE)
    run.evaluation_file.write_text("{ }")
    with pytest.raises(InputError, match="evaluation.json is not what it was when the run was fin"):
        check_record(run, RunState.DONE)
    run.evaluation_file.unlink()
    with pytest.raises(InputError, match="evaluation.json is not what it was"):
        check_record(run, RunState.DONE)
    run.evaluation_file.write_text("{}")
    with run.episodes_file.open("a") as file:
        file.write(ROWS)
    with pytest.raises(InputError, match="monitor.csv holds more than it did"):
        check_record(run, RunState.DONE)


def test_a_run_without_a_record_is_believed(run):
    run.record_file.unlink()
    run.episodes_file.write_text("")
    for state in RunState:
        if state is not RunState.PENDING:
            check_record(run, state)
    assert take_up(run, 100) == []


def test_a_run_that_has_begun_is_not_pending(run):
    with pytest.raises(InputError, match="status.json is missing or says pending, though"):
        check_record(run, RunState.PENDING)


def test_a_damaged_record_is_said_and_begun_anew(run):
    run.record_file.write_text("{")
    with pytest.raises(InputError, match="record.json is damaged"):
        check_record(run, RunState.DONE)
    [said] = take_up(run, 100)
    assert "record.json is damaged" in said
    assert load_record(run).marks == ()


def test_a_record_names_no_file_outside(run):
    data = json.loads(run.record_file.read_text())
    data["marks"][0]["files"] = {"../../etc/passwd": data["marks"][0]["files"]["monitor.csv"]}
    run.record_file.write_text(json.dumps(data))
    with pytest.raises(InputError, match="record.json is not valid"):
        load_record(run)


def test_a_directory_that_is_gone_is_not_made_again(run):
    for path in (run.config_file, run.record_file):
        path.unlink()
    with pytest.raises(InputError, match="is gone: it was deleted while the run was trained"):
        add_mark(run, 200)
    assert not run.record_file.exists()
