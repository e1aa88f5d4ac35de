"""Hyperparameters chosen on some seeds and judged on the others; numbers by hand."""

import csv
import io

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.cli import main
from rl_coordconv.reports.choosing import parse_seeds
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.spreadsheet import to_csv
from rl_coordconv.runs import RunState

SELECT = Options(resamples=200, select_seeds=(0, 1))


@pytest.fixture
def write_settings(tmp_path, write_run):
    """Write an arm's runs: of each learning rate the scores of seeds 0, 1, 2, ..."""

    def write(extractor, scores, **options):
        for rate, values in scores.items():
            for seed, score in enumerate(values):
                write_run(tmp_path, extractor=extractor, seed=seed, score=score,
                          settings={"learning_rate": rate}, **options)  # fmt: skip

    return write


def choices(comparison):
    return [(one.game, one.arm, one.setting, one.score, one.settings)
            for one in comparison.selection.choices]  # fmt: skip


def test_each_arm_is_judged_with_its_best_setting_on_other_seeds(tmp_path, write_settings):
    # On the seeds judged the setting that was not chosen would have been the better one.
    write_settings("cnn", {1e-3: (1, 2, 9, 9, 9), 1e-4: (2, 3, 0, 1, 2)})
    write_settings("coordconv", {1e-3: (5, 4, 6, 7, 8), 1e-4: (4, 4, 20, 20, 20)})
    comparison = gather([tmp_path], {}, SELECT)
    assert choices(comparison) == [
        ("Pong", "cnn", "learning_rate 0.0001", 2.5, 2),
        ("Pong", "coordconv", "learning_rate 0.001", 4.5, 2),
    ]
    [game] = comparison.games
    assert game.cell.agent == "ppo"
    cnn, coordconv = game.arms
    assert (cnn.scores, coordconv.scores) == ((0, 1, 2), (6, 7, 8))
    assert coordconv.versus("cnn").seeds == (2, 3, 4)
    assert coordconv.versus("cnn").differences == (6, 6, 6)
    assert comparison.left_out == comparison.warnings == ()
    assert [one.sentence for one in comparison.selection.choices][1] == (
        "coordconv, ppo, Pong: learning_rate 0.001 (chosen of 2 settings, mean score 4.50)"
    )


def test_every_game_is_chosen_for_by_itself_and_equals_by_their_text(tmp_path, write_settings):
    write_settings("cnn", {1e-3: (1, 1, 1), 1e-4: (2, 2, 2)})
    write_settings("cnn", {1e-3: (3, 1, 1), 1e-4: (2, 2, 2)}, game="Breakout")
    comparison = gather([tmp_path], {}, SELECT)
    assert choices(comparison) == [
        ("Breakout", "cnn", "learning_rate 0.0001", 2.0, 2),
        ("Pong", "cnn", "learning_rate 0.0001", 2.0, 2),
    ]


def test_more_tries_are_told_of_as_an_advantage(tmp_path, write_settings):
    write_settings("cnn", {1e-3: (1, 1, 1)})
    write_settings("coordconv", {1e-3: (1, 1, 1), 1e-4: (2, 2, 2), 1e-5: (0, 0, 0)})
    [warning] = gather([tmp_path], {}, SELECT).warnings
    assert warning == (
        "ppo: arms had different numbers of settings to choose from (cnn 1, coordconv 3; on Pong). "
        "More tries are an advantage in themselves: these verdicts favour the arms that had more."
    )


def test_what_has_not_finished_on_every_seed_cannot_be_chosen(tmp_path, write_settings, write_run):
    write_settings("cnn", {1e-3: (1, 1, 1)})
    write_settings("cnn", {1e-4: (9,)})
    write_run(tmp_path, seed=1, score=9, settings={"learning_rate": 1e-4}, state=RunState.FAILED)
    comparison = gather([tmp_path], {}, SELECT)
    assert choices(comparison) == [("Pong", "cnn", "learning_rate 0.001", 1.0, 2)]
    assert comparison.warnings == (
        "cnn, ppo, Pong: 1 of 2 settings could not be chosen, having no finished run on each of "
        "the seeds 0-1.",
    )
    nothing = gather([tmp_path], {}, Options(resamples=200, select_seeds=(0, 2)))
    assert choices(nothing) == [("Pong", "cnn", "learning_rate 0.001", 1.0, 2)]


def test_nothing_to_choose_is_a_note(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    write_arm(tmp_path, "coordconv", [3, 4, 5])
    comparison = gather([tmp_path], {}, Options(resamples=200, select_seeds=(1,)))
    [warning] = comparison.warnings
    assert warning.startswith("--select-seeds 1: every arm has one setting")
    assert comparison.games[0].arms[1].versus("cnn").seeds == (0, 2)
    assert choices(comparison)[0] == ("Pong", "cnn", "the preset", None, 1)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ((0, 7), "--select-seeds 0, 7: no run has seed 7 .seeds here: 0-2"),
        ((0, 1, 2), "--select-seeds 0-2 leaves no seed to judge on .seeds here: 0-2"),
    ],
)
def test_seeds_that_are_not_there_or_all_that_are(tmp_path, write_arm, seeds, message):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    with pytest.raises(InputError, match=message):
        gather([tmp_path], {}, Options(resamples=200, select_seeds=seeds))


def test_missing_runs_are_those_that_nobody_trained(tmp_path, write_run):
    (tmp_path / "sweep.yaml").write_text(
        "format_version: 2\ngames: [Pong]\nagents: [ppo]\nextractors: [cnn]\nseeds: 3\n"
        "grid: {learning_rate: [0.001, 0.0001]}\n"
    )
    for seed in range(3):
        write_run(tmp_path / "runs", seed=seed, score=1, settings={"learning_rate": 1e-3})
    for seed in range(2):
        write_run(tmp_path / "runs", seed=seed, score=0, settings={"learning_rate": 1e-4})
    comparison = gather([tmp_path], {}, SELECT)
    assert [one.label for one in comparison.left_out] == [
        "Pong, ppo, learning_rate 0.0001, cnn, seed 2"
    ]


def test_the_report_tells_what_was_chosen(tmp_path, write_settings, capsys):
    write_settings("cnn", {1e-3: (1, 2, 9), 1e-4: (2, 3, 0)})
    write_settings("coordconv", {1e-3: (5, 4, 6), 1e-4: (4, 4, 20)})
    out = tmp_path / "report"
    command = ["compare", str(tmp_path), "--output", str(out), "--select-seeds", "0-1",
               "--resamples", "200"]  # fmt: skip
    assert main(command) == 0
    told = "cnn, ppo, Pong: learning_rate 0.0001 (chosen of 2 settings, mean score 2.50)"
    assert told in capsys.readouterr().out
    assert "| Pong | ppo | cnn | learning\\_rate 0.0001 | 2 | 2.50 |".replace("\\", "") in (
        (out / "report.md").read_text().replace("\\", "")
    )
    assert "Which hyperparameters were chosen" in (out / "report.html").read_text()
    rows = list(csv.DictReader(io.StringIO((out / "results.csv").read_text())))
    cnn = {(row["setting"], row["seed"]): row for row in rows if row["arm"] == "cnn"}
    assert {key: row["use"] for key, row in cnn.items()} == {
        ("learning_rate 0.0001", "0"): "chosen by", ("learning_rate 0.0001", "1"): "chosen by",
        ("learning_rate 0.0001", "2"): "judged",
        ("learning_rate 0.001", "0"): "compared for the choice",
        ("learning_rate 0.001", "1"): "compared for the choice",
        ("learning_rate 0.001", "2"): "not chosen",
    }  # fmt: skip
    assert {row["settings"] for row in rows} == {"2"}
    assert [row["counted"] for row in rows if row["use"] == "judged"] == ["yes", "yes"]


def test_without_the_flag_the_columns_are_empty(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0])
    [row] = csv.DictReader(io.StringIO(to_csv(gather([tmp_path], {}, Options(resamples=200)))))
    assert (row["setting"], row["settings"], row["use"]) == ("", "", "")


def test_seeds_in_words():
    assert parse_seeds("0-1") == (0, 1)
    assert parse_seeds("2,0") == (0, 2)
    assert parse_seeds("0-2,5") == (0, 1, 2, 5)


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "3-2", "0,,1", "0-16384", "9" * 30, "٣"])
def test_words_that_are_no_seeds(text):
    with pytest.raises(InputError, match="--select-seeds"):
        parse_seeds(text)
