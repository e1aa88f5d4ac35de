"""Bounds that a user chooses in the place of a random agent's and a human's scores."""

import csv
from dataclasses import replace

import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import ReferenceScores
from rl_coordconv.reports.bounds import parse_bounds
from rl_coordconv.reports.comparison import compare
from rl_coordconv.reports.method import method
from rl_coordconv.reports.outcomes import Options
from rl_coordconv.reports.results import load_runs
from rl_coordconv.reports.spreadsheet import to_csv
from rl_coordconv.reports.suite import suites
from rl_coordconv.reports.tables import aggregates
from rl_coordconv.statistics import Verdict

QUICK = Options(resamples=100)


def test_they_are_read_from_pairs():
    assert parse_bounds(["my_package:MyEnv-v0=0:20", "Golf(a=1)=90:-3.5"]) == {
        "my_package:MyEnv-v0": ReferenceScores(random=0, human=20),
        "Golf(a=1)": ReferenceScores(random=90, human=-3.5),
    }


@pytest.mark.parametrize(("pairs", "words"), [
    (["MyEnv-v0"], "not of the form ENV=LOW:HIGH"),
    (["MyEnv-v0=3"], "not of the form"),
    (["=0:1"], "not of the form"),
    (["MyEnv-v0=a:1"], "'a' and '1' are not two different finite numbers"),
    (["MyEnv-v0=1:1"], "not two different finite numbers"),
    (["MyEnv-v0=0:inf"], "not two different finite numbers"),
    (["MyEnv-v0=0:1", "MyEnv-v0=0:2"], "names 'MyEnv-v0' twice"),
])  # fmt: skip
def test_what_is_none_is_refused(pairs, words):
    with pytest.raises(InputError, match=words):
        parse_bounds(pairs)


def test_with_them_an_environment_is_summed_up_and_the_report_states_them(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [99, 100, 101], game="Adventure")
    write_arm(tmp_path, "coordconv", [104, 105, 106], game="Adventure")
    runs, _ = load_runs(sorted(tmp_path.iterdir()))
    bounds = {"Adventure": ReferenceScores(random=80, human=130)}
    comparison = compare(runs, replace(QUICK, bounds=bounds))
    # A tenth of what cnn has over the lower bound; without bounds 10, and similar.
    assert comparison.games[0].margin == pytest.approx(2)
    (arm,) = (one for one in comparison.games[0].arms if one.arm == "coordconv")
    assert arm.against[0].verdict is Verdict.BETTER
    assert comparison.warnings == ()
    (suite,) = suites(comparison)
    assert suite.games == ("Adventure",)
    means = {row.arm: row.aggregates["mean"].estimate for row in suite.rows}
    assert means == pytest.approx({"cnn": (100 - 80) / 50, "coordconv": (105 - 80) / 50})
    assert (suite.scale, comparison.games[0].lower) == ("normalised", "lower bound")
    assert aggregates(suite).caption == "Normalised scores of ppo over 1 game"
    assert any("Adventure from 80 to 130" in rule for rule in method(comparison))
    assert not any("dqn_zoo" in rule for rule in method(comparison))
    rows = list(csv.DictReader(to_csv(comparison).splitlines()))
    assert {float(row["human_normalized"]) for row in rows if row["arm"] == "cnn"} == {
        0.38, 0.4, 0.42
    }  # fmt: skip
