"""The answer in words, short names, interval plots, and the list of what was not perfect."""

from __future__ import annotations

import pytest

from rl_coordconv.reports import forest
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.headline import headlines, pairs_needed
from rl_coordconv.reports.imperfections import imperfections
from rl_coordconv.reports.labels import short_names
from rl_coordconv.reports.method import reading
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.suite import suites
from rl_coordconv.runs import RunState
from rl_coordconv.statistics import Interval, Verdict

QUICK = Options(resamples=100)


def spoken(folder):
    comparison = gather([folder], {}, QUICK)
    return headlines(comparison, suites(comparison), lambda arm: arm)


def test_arms_are_named_by_the_values_of_their_options():
    arms = [
        "cnn", "coordconv(coordinate_init=zero)", "coordconv(with_r=true)",
        "coordconv(with_r=false)", "my.nets:Mine(depth=3)", "zoo <b>",
    ]  # fmt: skip
    assert short_names(arms) == {
        "cnn": "cnn",
        "coordconv(coordinate_init=zero)": "coordconv zero",
        "coordconv(with_r=true)": "coordconv with_r",
        "coordconv(with_r=false)": "coordconv no with_r",
        "my.nets:Mine(depth=3)": "Mine depth=3",
        "zoo <b>": "zoo <b>",
    }


def test_arms_that_would_share_a_name_or_have_a_long_one_are_numbered():
    names = short_names(["a:Net", "b:Net", "c:Wide(one=1, two=2, three=3, four=4, five=5)"])
    assert names["a:Net"] == "Net #1"
    assert names["b:Net"] == "Net #2"
    assert names["c:Wide(one=1, two=2, three=3, four=4, five=5)"] == "Wide #1"


def test_one_game_is_told_in_raw_points(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    write_arm(tmp_path, "coordconv", [12, 12, 12])
    (one,) = spoken(tmp_path)
    assert one.conclusion == "coordconv did better than cnn."
    assert one.scope == "ppo, 3 seeds a game and 12,000 agent steps a run"
    # Differences 12, 11, 10: Student's t with two degrees of freedom.
    assert one.answer == (
        "coordconv scored 11.0 more than cnn in the mean raw return on Pong (95% interval of the "
        "difference +8.52 to +13.5)."
    )
    assert one.verdicts == "By game: better on 1 of 1."
    assert one.shortage == ""


def test_several_games_are_told_on_their_common_scale_and_corrected(tmp_path, write_arm):
    for game in ("Pong", "Boxing"):
        write_arm(tmp_path, "cnn", [0, 1, 2], game=game)
    write_arm(tmp_path, "coordconv", [12, 12, 12])
    write_arm(tmp_path, "coordconv", [8, 1.2, 2.4], game="Boxing")
    (one,) = spoken(tmp_path)
    assert "in the IQM of human-normalised scores over 2 games (95% interval" in one.answer
    assert one.verdicts == (
        "By game: better on 1, undecided on 1 of 2. That is not corrected for 2 games: after "
        "Holm's correction 1 of the 1 better or worse remain significant at 5%."
    )
    assert one.shortage.startswith("Undecided means")


def test_too_few_pairs_are_named_as_the_reason(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 1])
    write_arm(tmp_path, "coordconv", [12, 12])
    (one,) = spoken(tmp_path)
    assert one.shortage == "Undecided for want of runs: a verdict needs at least 3 pairs."


def test_without_a_pair_the_reason_is_told(tmp_path, write_arm, write_run):
    write_arm(tmp_path, "cnn", [0, 1])
    write_run(tmp_path, extractor="coordconv", state=RunState.RUNNING, steps=600)
    (one,) = spoken(tmp_path)
    assert one.conclusion == "Whether coordconv differs from cnn cannot be told."
    assert one.sentence.endswith("cannot be compared with cnn yet: no finished run of coordconv.")


def test_the_pairs_that_a_margin_needs_follow_from_the_spread(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 0, 0])
    write_arm(tmp_path, "coordconv", [-3, 0, 3])
    (game,) = gather([tmp_path], {}, QUICK).games
    against = game.arms[1].versus("cnn")
    # A standard deviation of 3: (1.96 x 3 / 0.5)^2 = 138.3.
    assert pairs_needed(against, 0.5, 0.95) == 139
    assert pairs_needed(against, 0.5, 0.99) == 239  # 2.576 for 1.96
    assert pairs_needed(against, 100.0, 0.95) == 3  # those that are there suffice
    assert pairs_needed(against, None, 0.95) is None
    assert pairs_needed(against, 0.0, 0.95) is None


def test_the_interval_plot_is_in_parts_of_the_baselines_gain(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 0, 0])
    write_arm(tmp_path, "coordconv", [12, 12, 12])
    comparison = gather([tmp_path], {}, QUICK)
    (row,) = forest.rows(comparison, "ppo", "coordconv", "cnn")
    assert (row.game, row.verdict) == ("Pong", Verdict.BETTER)
    assert row.difference.estimate == pytest.approx(12 / 20.7, rel=1e-3)  # random: -20.7


def test_all_estimates_lie_within_the_interval_plot():
    rows = [
        forest.Row("A", Interval(0.1, -40.0, 40.0), Verdict.UNDECIDED),
        forest.Row("B", Interval(-2.0, -2.5, -1.5), Verdict.WORSE),
    ]
    limit = forest._limit(rows, 0.1)
    assert 2.0 < limit < 40.0


def test_what_was_not_perfect_is_in_one_table(tmp_path, write_arm, write_run):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    write_arm(tmp_path, "coordconv", [12, 12])
    write_run(tmp_path, extractor="coordconv", seed=2, state=RunState.FAILED, error="Error: lost")
    table = imperfections(gather([tmp_path], {}, QUICK))
    kinds = {row[0] for row in table.rows}
    assert {"note", "run failed"} <= kinds
    text = " ".join(cell for row in table.rows for cell in row)
    assert "Error: lost" in text
    assert "have not both finished seed 2" in text


def test_a_control_is_explained_where_there_is_one(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    write_arm(tmp_path, "coordconv", [1, 2, 3])
    assert not any("placebo" in text for text in reading(gather([tmp_path], {}, QUICK)))
    write_arm(tmp_path, "placebo", [1, 2, 3])
    assert any("placebo" in text for text in reading(gather([tmp_path], {}, QUICK)))
