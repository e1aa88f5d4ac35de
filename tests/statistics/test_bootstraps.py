"""Bootstraps of samples, suites, improvements and profiles."""

import inspect
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics import (
    AGGREGATES,
    Interval,
    bootstrap,
    bootstrap_interval,
    improvement_interval,
    interquartile_mean,
    paired_stratified_interval,
    performance_profile,
    probability_of_improvement,
    profile_band,
    stratified_interval,
)

samples = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=8)


def rng(seed=0):
    return np.random.default_rng(seed)


def suite(seed=0, games=5, runs=10):
    return list(rng(seed).normal(size=(games, runs)) + np.arange(games)[:, None])


def everything(seed):
    """One of each of the subpackage's random functions."""
    first, second, tau = suite(1), suite(2), [0.0, 1.0]
    iqm = AGGREGATES["IQM"]
    return [
        bootstrap_interval(first[0], rng=rng(seed), resamples=50),
        stratified_interval(first, iqm, rng=rng(seed), resamples=50),
        paired_stratified_interval(first, second, iqm, rng=rng(seed), resamples=50),
        improvement_interval(first, second, rng=rng(seed), resamples=50),
        tuple(profile_band(first, tau, rng=rng(seed), resamples=50).low),
    ]


def test_the_seed_decides():
    assert everything(3) == everything(3)
    for one, other in zip(everything(3), everything(4), strict=True):
        assert one != other


def test_batches_do_not_change_what_comes_out(monkeypatch):
    whole = bootstrap_interval(suite()[0], rng=rng(), resamples=100)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 70)
    assert bootstrap_interval(suite()[0], rng=rng(), resamples=100) == whole
    assert list(bootstrap.batches(10, 20)) == [3, 3, 3, 1]
    assert list(bootstrap.batches(2, 1000)) == [1, 1]
    assert len(everything(0)) == 5


def test_a_sample_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = rng().gamma(2.0, size=30)
    # scipy before 1.15 calls it otherwise.
    known = inspect.signature(stats.bootstrap).parameters
    argument = "rng" if "rng" in known else "random_state"
    for statistic in (np.mean, np.median, interquartile_mean):
        ours = bootstrap_interval(values, statistic, rng=rng(1), resamples=10_000)
        theirs = stats.bootstrap(
            (values,), statistic, n_resamples=10_000, method="percentile", **{argument: rng(2)}
        ).confidence_interval
        assert ours.estimate == statistic(values)
        assert ours.low == pytest.approx(theirs.low, abs=0.03)
        assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_nothing_varies_in_equal_runs():
    same = [np.full(3, 2.0), np.full(2, 4.0)]
    mean = AGGREGATES["mean"]
    assert bootstrap_interval([2.0, 2.0], rng=rng()) == Interval(2, 2, 2)
    assert stratified_interval(same, mean, rng=rng()) == Interval(3, 3, 3)
    assert paired_stratified_interval(same, same, mean, rng=rng()) == Interval(0, 0, 0)
    assert improvement_interval(same, same, rng=rng()).width == pytest.approx(0)


def test_runs_stay_in_their_game():
    """The games differ by far more than their runs; resampled together they would mix."""
    scores = [np.array([0.0, 0.1]), np.array([100.0, 100.1])]
    interval = stratified_interval(scores, AGGREGATES["mean"], rng=rng())
    assert interval.width <= 0.1 + 1e-9
    assert interval.contains(50.05)


def test_the_mean_of_a_suite_has_a_known_error():
    """Of ten runs of five games, without Bessel's correction as in every plain bootstrap."""
    scores = suite()
    interval = stratified_interval(scores, AGGREGATES["mean"], rng=rng(), resamples=20_000)
    error = np.sqrt(sum(np.var(runs) / 10 for runs in scores)) / 5
    assert interval.width == pytest.approx(2 * 1.96 * error, rel=0.03)


def test_pairs_share_what_cancels():
    first = suite(runs=8)
    second = [runs - 0.5 for runs in first]
    for name in ("IQM", "mean", "median"):
        interval = paired_stratified_interval(first, second, AGGREGATES[name], rng=rng())
        assert interval.low == pytest.approx(0.5)
        assert interval.high == pytest.approx(0.5)


def test_pairs_need_each_other():
    mean = AGGREGATES["mean"]
    with pytest.raises(InputError, match="paired"):
        paired_stratified_interval(suite(runs=3), suite(runs=4), mean, rng=rng())
    with pytest.raises(InputError, match="paired"):
        paired_stratified_interval(suite(games=3), suite(games=4), mean, rng=rng())
    with pytest.raises(InputError, match="games"):
        improvement_interval(suite(games=3), suite(games=4), rng=rng())


@pytest.mark.parametrize("scores", [[], [[]], [[1.0, math.nan]], [[[1.0]]], [1.0, 2.0]])
def test_suites_that_are_none(scores):
    mean = AGGREGATES["mean"]
    with pytest.raises(InputError):
        stratified_interval(scores, mean, rng=rng())
    with pytest.raises(InputError):
        paired_stratified_interval(scores, scores, mean, rng=rng())
    with pytest.raises(InputError):
        improvement_interval(scores, scores, rng=rng())
    with pytest.raises(InputError):
        performance_profile(scores, [0.0])


def test_bad_options():
    with pytest.raises(InputError, match="resamples"):
        bootstrap_interval([1.0], rng=rng(), resamples=0)
    with pytest.raises(InputError, match="confidence"):
        bootstrap_interval([1.0], rng=rng(), confidence=95)


def test_an_iqm_is_covered_nearly_as_often_as_said():
    """A percentile bootstrap of few runs is somewhat too narrow: 90 to 96 % instead of 95."""
    heights, iqm = np.arange(5) / 2, AGGREGATES["IQM"]
    truth = float(iqm(list(rng(9).normal(size=(5, 200_000)) + heights[:, None])))
    source, covered = rng(0), 0
    for _ in range(800):
        scores = list(source.normal(size=(5, 10)) + heights[:, None])
        interval = stratified_interval(scores, iqm, rng=source, resamples=400)
        covered += interval.contains(truth)
    assert 0.90 <= covered / 800 <= 0.96


@pytest.mark.parametrize("name", AGGREGATES)
def test_all_of_atari_within_a_second(name):
    scores = suite(games=57, runs=10)
    begin = time.process_time()
    stratified_interval(scores, AGGREGATES[name], rng=rng())
    assert time.process_time() - begin < 1.0


def test_improvement_by_hand():
    assert probability_of_improvement([1, 2], [0, 2]) == pytest.approx((1 + 0 + 1 + 0.5) / 4)
    assert probability_of_improvement([5], [1, 2, 3]) == 1
    assert probability_of_improvement([0], [1, 2, 3]) == 0
    with pytest.raises(InputError):
        probability_of_improvement([], [1])


@given(samples, samples)
@settings(deadline=None, max_examples=80)
def test_one_arm_improves_or_the_other(first, second):
    forth = probability_of_improvement(first, second)
    back = probability_of_improvement(second, first)
    assert forth + back == pytest.approx(1)
    assert 0 <= forth <= 1


def test_improvement_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    for seed in range(10):
        first = rng(seed).integers(0, 6, size=7)
        second = rng(seed + 100).integers(0, 6, size=4)
        u = stats.mannwhitneyu(first, second).statistic
        assert probability_of_improvement(first, second) == pytest.approx(u / 28)


def test_improvement_of_a_suite():
    first, second = suite(1, runs=6), suite(2, runs=4)
    interval = improvement_interval(first, second, rng=rng())
    single = [probability_of_improvement(x, y) for x, y in zip(first, second, strict=True)]
    assert interval.estimate == pytest.approx(np.mean(single))
    assert 0 <= interval.low < interval.estimate < interval.high <= 1


def test_improvement_resamples_both_arms():
    """As drawing runs of each arm and comparing them would, to one of the 48 steps there are."""
    first, second, source = suite(1, 2, 6), suite(2, 2, 4), rng(5)
    slow = [
        np.mean(
            [
                probability_of_improvement(source.choice(x, len(x)), source.choice(y, len(y)))
                for x, y in zip(first, second, strict=True)
            ]
        )
        for _ in range(3000)
    ]
    interval = improvement_interval(first, second, rng=rng(), resamples=20_000)
    assert interval.low == pytest.approx(np.quantile(slow, 0.025), abs=0.022)
    assert interval.high == pytest.approx(np.quantile(slow, 0.975), abs=0.022)


def test_a_profile_by_hand():
    scores = [np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0])]
    profile = performance_profile(scores, [-1, 0, 1.5, 2, 9])
    assert profile == pytest.approx([1, 0.875, 0.75, 0.125, 0])


def test_a_profile_and_its_band():
    scores, tau = suite(), np.linspace(-3, 8, 12)
    band = profile_band(scores, tau, rng=rng())
    assert band.estimate.tolist() == performance_profile(scores, tau).tolist()
    assert (band.low <= band.estimate).all()
    assert (band.estimate <= band.high).all()
    assert (np.diff(band.estimate) <= 0).all()
    assert band.low[-1] == band.high[-1] == 0


def test_a_band_is_the_stratified_bootstrap_of_its_fractions():
    scores = suite(runs=6)
    above = [(runs > 1.0).astype(float) for runs in scores]
    slow = stratified_interval(above, AGGREGATES["mean"], rng=rng(1), resamples=20_000)
    band = profile_band(scores, [1.0], rng=rng(2), resamples=20_000)
    assert band.low[0] == pytest.approx(slow.low, abs=0.034)
    assert band.high[0] == pytest.approx(slow.high, abs=0.034)
