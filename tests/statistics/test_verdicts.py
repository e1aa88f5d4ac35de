"""Verdicts: the rule at its edges, and how often it errs."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics import Verdict, decide, mean_interval, paired_p_value

FLIPPED = {"better": "worse", "worse": "better", "similar": "similar", "undecided": "undecided"}
differences = st.lists(st.floats(-10, 10), max_size=7)


def rates(mean, n, margin, count=2000, spread=1.0):
    """How often each verdict comes up for normal differences."""
    rng = np.random.default_rng(n)
    drawn = rng.normal(mean, spread, size=(count, n))
    verdicts = [decide(sample, margin).verdict for sample in drawn]
    return {verdict: verdicts.count(verdict) / count for verdict in Verdict}


@pytest.mark.parametrize(
    ("values", "margin", "verdict"),
    [
        ([1.0, 1.1, 0.9], 0.5, "better"),
        ([-1.0, -1.1, -0.9], 0.5, "worse"),
        ([0.0, 0.1, -0.1], 0.5, "similar"),
        ([0.0, 3.0, -3.0], 0.5, "undecided"),
        # Sure but negligible, and the same without a margin that says so.
        ([0.1, 0.11, 0.09], 0.5, "similar"),
        ([0.1, 0.11, 0.09], 0.0, "better"),
        ([0.0, 0.0, 0.0], 0.5, "similar"),
        ([0.0, 0.0, 0.0], 0.0, "undecided"),
        ([0.5, 0.5, 0.5], 0.5, "similar"),
        ([0.6, 0.6, 0.6], 0.5, "better"),
        ([-0.6, -0.6, -0.6], 0.5, "worse"),
        ([5.0, 5.0], 0.5, "undecided"),
        ([5.0], 0.5, "undecided"),
        ([], 0.5, "undecided"),
    ],
)
def test_the_rule(values, margin, verdict):
    decision = decide(values, margin)
    assert decision.verdict == verdict
    assert decision.n == len(values)
    assert decision.margin == margin
    assert decision.reason.endswith(".")


def test_what_a_verdict_rests_on():
    values = [1.0, 2.0, 4.0, 3.0]
    decision = decide(values, 0.1)
    assert decision.interval == mean_interval(values)
    assert decision.p_value == paired_p_value(values)
    assert (
        decision.reason == "The 95 % interval [0.4457, 4.554] of the mean difference lies above 0."
    )
    similar = decide(values, 9.0)
    assert similar.reason.startswith("The 90 % interval [0.9809, 4.019]")
    assert "margin of 9" in similar.reason


def test_too_few_pairs_have_no_ends():
    one = decide([2.0], 0.1)
    assert (one.interval.estimate, one.interval.low, one.interval.high) == (2, -math.inf, math.inf)
    assert one.p_value == 1
    assert one.reason == "There are too few pairs: 1 of at least 3."
    assert math.isnan(decide([], 0.1).interval.estimate)
    assert decide([2.0, 2.1], 0.1).interval == mean_interval([2.0, 2.1])
    assert decide([2.0, 2.1], 0.1, min_pairs=2).verdict == "better"


@pytest.mark.parametrize(
    ("values", "margin", "options"),
    [
        ([1, 2, math.nan], 1, {}),
        ([1, 2, math.inf], 1, {}),
        ([[1, 2, 3]], 1, {}),
        ([1, 2, 3], -0.1, {}),
        ([1, 2, 3], math.nan, {}),
        ([1, 2, 3], math.inf, {}),
        ([1, 2, 3], 1, {"confidence": 0.5}),
        ([1, 2, 3], 1, {"confidence": 1.0}),
        ([1, 2, 3], 1, {"min_pairs": 1}),
    ],
)
def test_bad_input(values, margin, options):
    with pytest.raises(InputError):
        decide(values, margin, **options)


@given(differences, st.floats(0, 5))
@settings(deadline=None, max_examples=100)
def test_swapping_the_arms_flips_the_verdict(values, margin):
    forth = decide(values, margin)
    back = decide([-value for value in values], margin)
    assert back.verdict == FLIPPED[forth.verdict]
    assert back.p_value == pytest.approx(forth.p_value)


def far_from_underflow(x):
    return x if abs(x) > 1e-290 else 0.0


@given(differences, st.floats(0, 5), st.sampled_from([0.125, 0.5, 4.0, 1024.0]))
@example([0.0, 0.0, 8.5e-165], 0.0, 1024.0)
@settings(deadline=None, max_examples=60)
def test_the_unit_does_not_matter(values, margin, factor):
    values, margin = [far_from_underflow(value) for value in values], far_from_underflow(margin)
    scaled = decide([value * factor for value in values], margin * factor)
    assert scaled.verdict == decide(values, margin).verdict


@pytest.mark.parametrize("n", [3, 5, 10])
def test_false_alarms_without_a_difference(n):
    for margin in (0.0, 0.3):
        seen = rates(0.0, n, margin)
        assert seen["better"] + seen["worse"] <= 0.05 + 0.015


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_a_difference_of_the_margin_is_rarely_called_similar(n, spread):
    for mean in (0.5, -0.5):
        assert rates(mean, n, margin=0.5, spread=spread)["similar"] <= 0.05 + 0.015


def test_clear_cases_are_found():
    assert rates(2.0, 10, margin=0.5)["better"] > 0.95
    assert rates(-2.0, 10, margin=0.5)["worse"] > 0.95
    assert rates(0.0, 10, margin=1.5)["similar"] > 0.95
    assert rates(0.3, 3, margin=0.1)["undecided"] > 0.8


def test_more_pairs_decide_more():
    undecided = [rates(0.7, n, margin=0.2)["undecided"] for n in (3, 6, 12, 24)]
    assert undecided == sorted(undecided, reverse=True)
