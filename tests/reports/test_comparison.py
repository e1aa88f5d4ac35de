"""Verdicts from runs with known scores; numbers by hand."""

import math
import shutil

import numpy as np
import pytest

from rl_coordconv._util.errors import InputError
from rl_coordconv.envs import load_suite, reference_scores
from rl_coordconv.reports.comparison import compare
from rl_coordconv.reports.gather import gather
from rl_coordconv.reports.outcomes import Comparison, Options
from rl_coordconv.reports.render import write_report
from rl_coordconv.reports.results import load_runs
from rl_coordconv.reports.suite import costs, suites
from rl_coordconv.runs import RunState
from rl_coordconv.statistics import Verdict

QUICK = Options(resamples=200)


def compared(folder, options=QUICK) -> Comparison:
    return gather([folder], {}, options)


def against(comparison, arm, other="cnn", game=0):
    arms = {one.arm: one for one in comparison.games[game].arms}
    return arms[arm].versus(other)


def test_paired_differences_by_hand(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    write_arm(tmp_path, "coordconv", [12, 12, 12])
    comparison = compared(tmp_path)
    [game] = comparison.games
    one = against(comparison, "coordconv")
    assert one.seeds == (0, 1, 2)
    assert one.differences == pytest.approx((12, 11, 10))
    assert one.difference.estimate == pytest.approx(11)
    # Student's 97.5 % quantile with 2 degrees of freedom is 4.30265; the standard error 1 / sqrt 3.
    assert one.difference.high - 11 == pytest.approx(4.30265 / math.sqrt(3), rel=1e-4)
    assert one.improvement.estimate == 1.0
    assert one.verdict is Verdict.BETTER
    # Pong's random agent scores -20.7, the baseline 1: a gain of 21.7.
    assert game.margin == pytest.approx(2.17)
    assert game.threshold == pytest.approx((-20.7 + 1) / 2)
    assert [arm.arm for arm in game.arms] == ["cnn", "coordconv"]
    assert [tally.sentence for tally in comparison.tallies] == [
        "coordconv vs cnn, ppo: better on 1, similar on 0, worse on 0, undecided on 0 of 1 game"
    ]
    assert comparison.left_out == comparison.warnings == ()


def test_verdicts_are_counted_over_games_and_the_placebo_stands_beside(tmp_path, write_arm):
    games = {"Pong": (12, 12, 12), "Breakout": (10.0, 10.1, 9.9), "Qbert": (200, 210, 190),
             "MsPacman": (100, 2000, 4000)}  # fmt: skip
    base = {"Pong": 0, "Breakout": 10, "Qbert": 4000, "MsPacman": 2000}
    for game, scores in games.items():
        options = {"game": game, "agent": "a2c"}
        write_arm(tmp_path, "cnn", np.array([0.999, 1, 1.001]) * base[game], **options)
        write_arm(tmp_path, "coordconv", scores, **options)
        write_arm(tmp_path, "placebo", [base[game]] * 3, **options)
    comparison = compared(tmp_path)
    verdicts = {
        game.cell.game: game.arms[1].versus("cnn").verdict.value for game in comparison.games
    }
    assert verdicts == {
        "Pong": "better", "Breakout": "similar", "Qbert": "worse", "MsPacman": "undecided"
    }  # fmt: skip
    assert [tally.sentence for tally in comparison.tallies] == [
        "coordconv vs cnn, a2c: better on 1, similar on 1, worse on 1, undecided on 1 of 4 games "
        "(paper: 6/2/1 of 9)",
        "placebo vs cnn, a2c: better on 0, similar on 4, worse on 0, undecided on 0 of 4 games",
        "coordconv vs placebo, a2c: better on 1, similar on 1, worse on 1, undecided on 1 of 4 "
        "games",
    ]


def test_holm_adjusts_over_the_games_of_a_pair_of_arms(tmp_path, write_arm):
    for game in ("Pong", "Breakout"):
        write_arm(tmp_path, "cnn", [0, 0, 0], game=game)
    write_arm(tmp_path, "coordconv", [9, 10, 11], game="Pong")
    write_arm(tmp_path, "coordconv", [-5, 2, 6], game="Breakout")
    breakout, pong = (against(compared(tmp_path), "coordconv", game=i) for i in (0, 1))
    assert pong.adjusted_p == pytest.approx(2 * pong.p_value)
    assert breakout.adjusted_p == pytest.approx(breakout.p_value)


def test_all_runs_are_compared_at_the_fewest_steps(tmp_path, write_run, write_arm):
    rising = list(range(120))
    for seed in range(3):
        write_run(tmp_path, extractor="cnn", seed=seed, returns=rising)
        write_run(tmp_path, extractor="coordconv", seed=seed, returns=rising, steps=6000,
                  total_timesteps=6000)  # fmt: skip
    [game] = compared(tmp_path).games
    assert game.cell.budget == 6000
    cnn, coordconv = game.arms
    # Of cnn's games 60 had ended at 6000 steps; coordconv had lived all its 120, 20 to 119 count.
    assert cnn.scores == (np.mean(range(60)),) * 3
    assert coordconv.scores == (np.mean(range(20, 120)),) * 3
    text = " ".join(game.notes)
    assert "6,000 to 12,000 steps; all are compared at 6,000" in text
    assert "3 runs ended fewer than 100 games within the budget (60)" in text


def test_unfinished_runs_count_in_nothing_and_are_named(tmp_path, write_run, write_arm):
    write_arm(tmp_path, "cnn", [0, 1, 2])
    write_arm(tmp_path, "coordconv", [5, 6])
    options = {"extractor": "coordconv", "steps": 500, "score": 99}
    write_run(tmp_path, seed=2, state=RunState.FAILED, error="OSError: disk full", **options)
    write_run(tmp_path, seed=3, state=RunState.RUNNING, **options)
    write_run(tmp_path, seed=4, state=RunState.INTERRUPTED, **options)
    comparison = compared(tmp_path)
    [game] = comparison.games
    assert game.cell.budget == 12_000
    assert game.arms[1].scores == (5, 6)
    assert against(comparison, "coordconv").verdict is Verdict.UNDECIDED
    assert "too few pairs: 2" in against(comparison, "coordconv").reason
    assert [(one.label, one.state, one.progress) for one in comparison.left_out] == [
        (f"Pong, ppo, coordconv, seed {seed}", state, "500 of 12,000 steps")
        for seed, state in ((2, "failed"), (3, "running"), (4, "interrupted"))
    ]
    assert comparison.left_out[0].reason == "OSError: disk full"
    write_run(tmp_path, extractor="placebo", state=RunState.RUNNING)
    [suite] = suites(compared(tmp_path))
    assert [row.arm for row in suite.rows] == ["cnn", "coordconv"]
    assert suite.left_out == ("placebo (no finished run at all)",)
    assert (
        "coordconv and cnn have not both finished seed 2, which is in no pair of theirs"
        in game.notes
    )


def test_planned_runs_that_are_not_there_are_named(tmp_path, write_arm):
    write_arm(tmp_path / "runs", "cnn", [0, 1])
    (tmp_path / "sweep.yaml").write_text(
        "format_version: 2\ngames: [Pong, Breakout]\nagents: [ppo]\n"
        "extractors: [cnn, coordconv]\nseeds: 2\n"
    )
    comparison = compared(tmp_path)
    assert len(comparison.left_out) == 6
    assert {one.state for one in comparison.left_out} == {"missing"}
    [tally] = comparison.tallies
    assert tally.counts[Verdict.UNDECIDED] == 2
    assert against(comparison, "coordconv", game=1).reason == "no finished run of coordconv"
    assert [suite.games for suite in suites(comparison)] == [("Pong",)]


def test_no_usable_run_one_run_and_no_baseline_are_told(tmp_path, write_run):
    write_run(tmp_path / "a", state=RunState.RUNNING)
    comparison = compared(tmp_path / "a")
    assert "No run is finished yet" in comparison.warnings[0]
    write_run(tmp_path / "c", extractor="coordconv", state=RunState.RUNNING)
    [tally] = compared(tmp_path / "c").tallies
    assert (tally.algorithm, tally.counts[Verdict.UNDECIDED]) == ("ppo", 1)
    assert [(suite.games, suite.rows) for suite in suites(comparison)] == [((), ())]

    write_run(tmp_path / "b", extractor="coordconv", score=3)
    comparison = compared(tmp_path / "b")
    assert "No run of the baseline 'cnn' was found (arms here: coordconv)" in comparison.warnings[0]
    assert comparison.games[0].arms[0].score.estimate == 3
    assert against(comparison, "coordconv").verdict is Verdict.UNDECIDED
    assert against(comparison, "coordconv").reason == "no finished run of cnn"

    write_run(tmp_path / "b", extractor="cnn", score=1)
    one = against(compared(tmp_path / "b"), "coordconv")
    assert (one.differences, one.p_value, one.verdict) == ((2.0,), None, Verdict.UNDECIDED)
    assert not math.isfinite(one.improvement.low)
    near = compared(tmp_path / "b", Options(baseline="cn", resamples=200)).warnings[0]
    assert "did you mean 'cnn'?" in near


def test_without_learning_nothing_is_called_similar(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [-21, -21, -20.9])
    write_arm(tmp_path, "coordconv", [-21, -21, -20.9])
    comparison = compared(tmp_path)
    assert comparison.games[0].margin == 0
    assert "plays no better than a random agent" in comparison.games[0].notes[0]
    assert against(comparison, "coordconv").verdict is Verdict.UNDECIDED


def test_a_run_counts_once(tmp_path, write_run, write_arm):
    [run, *_] = write_arm(tmp_path / "a", "cnn", [1, 2, 3])
    shutil.copytree(run.path, tmp_path / "b" / run.path.name)
    # Asked for as fp32 rather than auto, which chose fp32: another configuration, the same thing.
    again = write_run(tmp_path / "c", seed=1, score=50, precision="fp32")
    comparison = gather([tmp_path / name for name in "abc"], {}, QUICK)
    assert comparison.games[0].arms[0].scores == (1, 2, 3)
    same, other = sorted(comparison.left_out, key=lambda one: one.label)
    assert same.reason == f"the same run as {run.path}"
    assert other.label == "Pong, ppo, cnn, seed 1"
    assert other.reason.startswith("the same seed and settings as ")
    assert again.path != run.path


def test_one_seed_with_several_settings_is_compared_setting_by_setting(tmp_path, write_arm):
    for bonus, precision in ((0, "fp32"), (100, "bf16")):
        environment = {"precision": precision}
        options = {"environment": environment, "n_envs": 8 if precision == "fp32" else 4}
        write_arm(tmp_path, "cnn", [bonus, bonus + 1, bonus + 2], **options)
        write_arm(tmp_path, "coordconv", [bonus + 10] * 3, **options)
    comparison = compared(tmp_path)
    assert comparison.agents == ["ppo, precision bf16, n_envs 4", "ppo, precision fp32, n_envs 8"]
    assert [game.arms[0].scores for game in comparison.games] == [(100, 101, 102), (0, 1, 2)]
    assert comparison.left_out == comparison.warnings == ()


def test_protocols_are_never_mixed(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [1, 2, 3])
    write_arm(tmp_path, "cnn", [7, 8, 9], protocol="machado")
    comparison = compared(tmp_path)
    assert comparison.agents == ["ppo, deepmind", "ppo, machado"]
    assert [game.arms[0].score.estimate for game in comparison.games] == [2, 8]


def test_settings_that_differ_are_warned_of(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [1, 2])
    write_arm(tmp_path, "coordconv", [1, 2], environment={"precision": "bf16"}, n_envs=16)
    assert compared(tmp_path).warnings == (
        "ppo: precision differs within a game: cnn fp32 (2); coordconv bf16 (2).",
        "ppo: preset.n_envs differs within a game: cnn 8 (2); coordconv 16 (2).",
    )


def test_steps_to_the_threshold_and_the_area(tmp_path, write_run):
    # The moving mean of 100 games climbs from 0 to 20: 20 k / 100 after k good games. The threshold
    # is (-20.7 + 20) / 2 = -0.35, so the first point of the curve, after 20 games, is over it.
    write_run(tmp_path, extractor="cnn", returns=[0] * 100 + [20] * 100, steps=20_000)
    # -20.7 to the 100th game, then 0: -0.35 is reached when 99 of 100 are 0 (-0.207), at game 199.
    write_run(tmp_path, extractor="coordconv", returns=[-20.7] * 100 + [0] * 100, steps=20_000)
    write_run(tmp_path, extractor="placebo", returns=[-20.7] * 200, steps=20_000)
    arms = {arm.arm: arm for arm in compared(tmp_path).games[0].arms}
    assert arms["cnn"].reached == (2000,)
    assert arms["coordconv"].reached == (19_900,)
    assert arms["placebo"].reached == (math.inf,)
    assert arms["placebo"].area == pytest.approx(-20.7)


def test_the_suite_is_human_normalised_and_over_common_games(tmp_path, write_arm):
    scale = reference_scores()
    for game in ("Pong", "Breakout", "Qbert"):
        low, high = scale[game].random, scale[game].human
        arms = ("cnn", "coordconv") if game != "Qbert" else ("cnn",)
        for arm, parts in zip(arms, ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), strict=False):
            write_arm(tmp_path, arm, [low + part * (high - low) for part in parts], game=game)
    [suite] = suites(compared(tmp_path))
    assert suite.games == ("Breakout", "Pong")
    assert suite.left_out == ("Qbert (no finished run of coordconv)",)
    cnn, coordconv = suite.rows
    assert cnn.aggregates["IQM"].estimate == pytest.approx(0.2)
    assert cnn.aggregates["mean"].estimate == pytest.approx(0.2)
    assert coordconv.aggregates["optimality gap"].estimate == pytest.approx(0.4)
    [difference] = coordconv.differences
    assert (difference.games, difference.pairs) == (2, 6)
    assert difference.iqm.estimate == pytest.approx(0.4)
    assert difference.improvement.estimate == 1.0
    assert cnn.profile.estimate[0] == 1
    assert cnn.profile.estimate[-1] == 0
    assert cnn.efficiency.estimate[-1] == pytest.approx(0.2)


def test_atari_5_estimates_the_median_of_57(tmp_path, write_arm):
    games = load_suite("atari-5").games
    for name, scores in games.items():
        human = scores.random + 0.5 * (scores.human - scores.random)
        write_arm(tmp_path, "cnn", [human, human], game=name)
    [suite] = suites(compared(tmp_path))
    # Half of the human score on every game: 51 to the power of the coefficients' sum, less 1.
    total = 0.3820 + 0.0679 + 0.3108 + 0.1241 + 0.0805
    got = suite.rows[0].aggregates["median of 57 by atari-5"]
    assert got.estimate == pytest.approx((51**total - 1) / 100)
    assert "median of 57 by atari-10" not in suite.rows[0].aggregates


def test_the_same_seed_gives_the_same_intervals_whatever_else_is_there(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [0, 1, 5])
    write_arm(tmp_path, "coordconv", [2, 3, 4])
    first = against(compared(tmp_path), "coordconv").improvement
    write_arm(tmp_path, "placebo", [1, 1, 1])
    assert against(compared(tmp_path), "coordconv").improvement == first


def test_costs_are_medians_and_sums(tmp_path, write_run):
    for seed, seconds in enumerate((10.0, 20.0, 60.0)):
        write_run(tmp_path, extractor="cnn", seed=seed, seconds=seconds)
        write_run(tmp_path, extractor="coordconv", seed=seed, seconds=2 * seconds)
    cnn, coordconv = costs(compared(tmp_path))
    assert (cnn.steps_per_second, cnn.seconds, cnn.runs) == (600, 90, 3)
    assert (coordconv.relative, cnn.relative, cnn.parameters) == (0.5, 1, None)


def test_options_are_checked():
    for wrong in ({"margin": 0}, {"confidence": 1}, {"resamples": 1}, {"seed": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Options(**wrong)


def test_a_game_without_reference_scores_is_compared_all_the_same(tmp_path, write_arm):
    write_arm(tmp_path, "cnn", [99, 100, 101], game="Adventure")
    write_arm(tmp_path, "coordconv", [104, 105, 106], game="Adventure")
    runs, _ = load_runs(sorted(tmp_path.iterdir()))
    comparison = compare(runs, QUICK)
    assert comparison.games[0].margin == pytest.approx(10)
    assert against(comparison, "coordconv").verdict is Verdict.SIMILAR
    assert "No reference scores are known for Adventure" in comparison.warnings[0]
    assert suites(comparison)[0].left_out == ("Adventure (no reference scores)",)
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    text = write_report(comparison, tmp_path / "report", source="", made="").markdown.read_text()
    assert "There are no aggregates over games yet, for these reasons." in text
    assert "Left out here: Adventure (no reference scores)." in text


def test_hyperparameters_that_were_set_tell_agents_apart(tmp_path, write_run):
    for settings in ({"learning_rate": "lin_1e-4"}, {"learning_rate": 1e-4}, {}):
        write_run(tmp_path, settings=settings)
    assert compared(tmp_path).agents == [
        "ppo, learning_rate 0.0001", "ppo, learning_rate lin_1e-4", "ppo, learning_rate lin_2.5e-4"
    ]  # fmt: skip


def test_a_grids_missing_runs_are_named_one_by_one(tmp_path, write_run):
    (tmp_path / "sweep.yaml").write_text(
        "format_version: 2\ngames: [Pong]\nagents: [ppo]\nextractors: [cnn]\nseeds: 1\n"
        "grid: {learning_rate: [lin_1e-4, 0.0001], gamma: [1, 0.9]}\n"
    )
    for rate, gamma in (("lin_1e-4", 1), (1e-4, 1), (1e-4, 0.9)):
        write_run(tmp_path / "runs", settings={"learning_rate": rate, "gamma": gamma})
    comparison = compared(tmp_path)
    assert [one.label for one in comparison.left_out] == [
        "Pong, ppo, learning_rate lin_1e-4, gamma 0.9, cnn, seed 0"
    ]
    assert comparison.agents == [
        "ppo, gamma 0.9, learning_rate 0.0001",
        "ppo, gamma 1.0, learning_rate 0.0001",
        "ppo, gamma 1.0, learning_rate lin_1e-4",
    ]
