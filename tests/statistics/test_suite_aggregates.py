"""Aggregates over games: by hand, against scipy and against rliable."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics import (
    AGGREGATES,
    interquartile_mean,
    median_regression,
    optimality_gap,
)

suites = st.lists(
    st.lists(st.floats(-100, 100), min_size=1, max_size=6).map(np.array), min_size=1, max_size=5
)


def test_the_middle_half_by_hand():
    assert interquartile_mean([100, 1, 2, -50]) == 1.5
    assert interquartile_mean([0, 1, 2, 3, 100, -9, 5, 4]) == 2.5
    assert interquartile_mean([1, 2, 6]) == 3
    assert interquartile_mean([7]) == 7


def test_the_middle_half_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for count in range(1, 25):
        scores = rng.normal(size=(3, count))
        expected = stats.trim_mean(scores, 0.25, axis=1)
        assert interquartile_mean(scores) == pytest.approx(expected)
        assert interquartile_mean(scores.T, axis=0) == pytest.approx(expected)
        everything = stats.trim_mean(scores, 0.25, axis=None)
        assert interquartile_mean(scores, axis=None) == pytest.approx(everything)


def test_the_gap_by_hand():
    assert optimality_gap([0.5, 0.0, 3.0]) == pytest.approx(0.5)
    assert optimality_gap([1, 2, 6], target=4) == pytest.approx(4 - 7 / 3)


@pytest.mark.parametrize("scores", [[], 3.0, [math.nan], [math.inf, 1.0]])
def test_scores_must_be_there_and_finite(scores):
    for function in (interquartile_mean, optimality_gap):
        with pytest.raises(InputError):
            function(scores)


def test_aggregates_by_hand():
    scores = [np.array([0.0, 1.0]), np.array([2.0, 4.0]), np.array([0.0, 20.0])]
    assert AGGREGATES["mean"](scores) == pytest.approx(27 / 6)
    assert AGGREGATES["median"](scores) == pytest.approx(3.0)
    # One of the six scores is dropped at each end: 0, 1, 2 and 4 stay.
    assert AGGREGATES["IQM"](scores) == pytest.approx(7 / 4)
    assert AGGREGATES["optimality gap"](scores) == pytest.approx(2 / 6)


@given(suites, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_unequal_games_weigh_the_same(scores, random):
    """As if every game's runs were repeated until all have equally many."""
    most = math.lcm(*map(len, scores))
    repeated = [np.repeat(runs, most // len(runs)) for runs in scores]
    shuffled = random.sample(scores, len(scores))
    for aggregate in AGGREGATES.values():
        assert aggregate(scores) == pytest.approx(aggregate(repeated), abs=1e-9)
        assert aggregate(scores) == pytest.approx(aggregate(shuffled), abs=1e-9)


def test_many_unequal_games():
    """The least common multiple of these numbers of runs does not fit into 64 bits."""
    scores = [np.full(count, 2.0) for count in range(1, 60)]
    assert AGGREGATES["IQM"](scores) == pytest.approx(2.0)


@given(suites, st.floats(-50, 50))
@settings(deadline=None, max_examples=50)
def test_aggregates_move_with_the_scores(scores, shift):
    moved = [runs + shift for runs in scores]
    for name in ("IQM", "median", "mean"):
        aggregate = AGGREGATES[name]
        assert aggregate(moved) == pytest.approx(aggregate(scores) + shift, abs=1e-9)


@pytest.mark.parametrize("counts", [(4, 4, 4), (3, 5, 2)])
def test_leading_axes_are_suites_of_their_own(counts):
    rng = np.random.default_rng(0)
    many = [rng.normal(size=(6, count)) for count in counts]
    for aggregate in AGGREGATES.values():
        one_by_one = [aggregate([runs[suite] for runs in many]) for suite in range(6)]
        assert aggregate(many) == pytest.approx(one_by_one)


@pytest.mark.parametrize("scores", [[], [[]], [[1.0], []], [[1.0], [math.nan]]])
def test_no_aggregate_of_missing_scores(scores):
    for aggregate in AGGREGATES.values():
        with pytest.raises(InputError):
            aggregate(scores)


@pytest.mark.parametrize("runs", [1, 3, 5, 10])
def test_aggregates_against_rliable(runs):
    metrics = pytest.importorskip("rliable.metrics")
    scores = np.random.default_rng(runs).gamma(1.0, size=(7, runs))
    peers = {
        "IQM": metrics.aggregate_iqm,
        "median": metrics.aggregate_median,
        "mean": metrics.aggregate_mean,
        "optimality gap": metrics.aggregate_optimality_gap,
    }
    assert peers.keys() == AGGREGATES.keys()
    for name, peer in peers.items():
        assert AGGREGATES[name](list(scores)) == pytest.approx(peer(scores.T))


def test_the_median_of_all_games_from_a_few_by_hand():
    estimate = median_regression([0.5, 0.25])
    # log10(1 + 99) = 2 and log10(1 + 9999) = 4: 10^(1 + 1) - 1 = 99 per cent.
    scores = [np.array([0.98, 1.0]), np.array([99.99])]
    assert estimate(scores) == pytest.approx(0.99)
    assert estimate([np.array([-3.0]), np.array([-0.1])]) == 0.0
    with pytest.raises(InputError, match="1 games do not fit 2 coefficients"):
        estimate([np.array([1.0])])


def test_suites_of_their_own_have_estimates_of_their_own():
    estimate = median_regression([0.5, 0.25])
    many = [np.array([[0.98, 1.0], [0.0, 0.0]]), np.array([[99.99], [0.0]])]
    assert estimate(many) == pytest.approx([0.99, 0.0])
