"""Runs that go on for longer than they were begun for: schedules, records, reports, sweeps."""

import json
from io import StringIO

import pytest
from rich.console import Console

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli import main
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.runs import RunConfig, RunDirectory, RunState, read_metrics
from rl_coordconv.runs.episodes import read_episodes
from rl_coordconv.sweeps.preparing import extension_note
from rl_coordconv.sweeps.supervisor import Entry
from rl_coordconv.training.extending import extend
from rl_coordconv.training.resolve import resolve_run
from rl_coordconv.training.train import train


def quiet() -> Console:
    return Console(file=StringIO())


@pytest.fixture
def run(tmp_path, small_ppo) -> RunDirectory:
    """A finished run of 64 agent steps."""
    config = resolve_run("Aim", agent=small_ppo, total_timesteps=64, eval_episodes=2, device="cpu",
                         precision="fp32", settings={"learning_rate": "lin_1e-3"})  # fmt: skip
    directory = RunDirectory.create(config, tmp_path / "runs")
    assert train(directory, quiet()) == 0
    return directory


def test_a_finished_run_goes_on_and_its_schedules_are_stretched(run, capsys):
    before, games = run.config(), read_episodes(run.episodes_file)
    command = ["train", "--resume", str(run.path), "--total-timesteps", "128"]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "extended from 64 to 128 agent steps, going on from step 64" in told
    assert ("learning_rate lin_1e-3 is stretched over the new total: 0.0005 at step 64, where it "
            "was 0, and 0 at step 128") in told  # fmt: skip
    assert "clip_range lin_0.1 is stretched over the new total: 0.05 at step 64" in told
    assert "Aim, small-ppo, coordconv, seed 0 (extended from 64 to 128 agent steps)" in told

    status, config = run.status(), run.config()
    assert (status.state, status.num_timesteps, status.total_timesteps) == (RunState.DONE, 128, 128)
    assert (config.total_timesteps, config.first_total) == (128, 64)
    assert [one.model_dump() for one in config.extensions] == [{"from_total": 64, "at_step": 64}]
    assert config.name == before.name == run.path.name
    # Of the updates after 32, 64, 96 and 128 steps; a row shows the update before it.
    rates = [(row["step"], row["train/learning_rate"]) for row in read_metrics(run.metrics_file)
             if "train/learning_rate" in row]  # fmt: skip
    assert rates == [(64, 5e-4), (64, 0), (128, 2.5e-4), (128, 0)]
    # What was played before is still there.
    after = read_episodes(run.episodes_file)
    assert list(after.steps[: len(games.steps)]) == list(games.steps)
    assert after.steps[-1] > 64
    assert json.loads((run.path / "evaluation-64.json").read_text())["num_timesteps"] == 64
    assert json.loads(run.evaluation_file.read_text())["num_timesteps"] == 128
    # The same command again has nothing to change, and a third total follows the second.
    assert main(command) == 0
    assert "already trained" in capsys.readouterr().out
    extend(run, 192)
    assert [one.from_total for one in run.config().extensions] == [64, 128]
    assert run.config().name == run.path.name


def test_what_cannot_be_extended(run, tmp_path, small_ppo):
    for total, message in [(64, "64 is not above the 64 agent steps of"), (1, "1 is not above"),
                           (10**13, "is not at most 1,000,000,000,000")]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            extend(run, total)
    assert run.status().state is RunState.DONE
    fresh = RunDirectory.create(resolve_run("Aim", agent=small_ppo), tmp_path / "fresh")
    with pytest.raises(InputError, match="has no checkpoint to go on from"):
        extend(fresh, 10**9)
    with run.locked(), pytest.raises(InputError, match="trained by another process"):
        extend(run, 128)
    assert run.config().extensions == []


def test_a_run_that_never_was_extended_is_written_as_before(run):
    assert "extensions" not in run.config_file.read_text()


def test_a_report_names_it_and_does_not_mix_it(run, tmp_path):
    assert gather([tmp_path], {}, Options(resamples=200)).warnings == (
        "No run of the baseline 'cnn' was found (arms here: coordconv): every verdict is "
        "undecided.", "No reference scores are known for Aim: the margin there is 0.1 times the "
        "baseline's mean itself, and the suite leaves them out.",
    )  # fmt: skip
    extend(run, 128)
    comparison = gather([tmp_path], {}, Options(resamples=200))
    [left] = comparison.left_out
    assert left.reason == (
        "extended from 64 agent steps at step 64 to 128: was stopped; it can be resumed"
    )
    [told] = [one for one in comparison.warnings if "extended" in one]
    assert told.startswith("1 run was extended: Aim, small-ppo, coordconv, seed 0 (from 64 agent "
                           "steps at step 64 to 128). Up to that step")  # fmt: skip
    assert comparison.runs[0].settings["preset.n_timesteps"] == "64"


def test_the_same_command_and_a_sweep_find_the_run_they_asked_for(run):
    asked = run.config()
    extend(run, 128)
    again = RunDirectory.create(asked, run.path.parent)
    assert again.path == run.path
    assert RunConfig.load(again.config_file).total_timesteps == 128
    entry = Entry(again, again.config().total_timesteps)
    assert extension_note(entry, asked) == (
        f"{asked.name} has been extended to 128 agent steps, where this sweep asks for 64: it goes "
        "on to its own total"
    )
    train(again, quiet())
    assert "it stays as it is" in extension_note(entry, asked)
    assert extension_note(entry, again.config()) is None
