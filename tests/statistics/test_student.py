"""Student's t, the intervals and tests made of it, and Holm's adjustment."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics import (
    Interval,
    holm,
    mean_interval,
    paired_p_value,
    t_cdf,
    t_quantile,
)

DEGREES = (0.5, 1, 2, 3, 4.5, 9, 30, 200, 9_999, 99_999, 100_001, 1e7)
numbers = st.floats(-1e3, 1e3)


def test_a_table_of_quantiles():
    """Any textbook's table, to its three decimals."""
    table = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 29: 2.045}
    for df, quantile in table.items():
        assert t_quantile(0.975, df) == pytest.approx(quantile, abs=5e-4)


def test_one_and_two_degrees_have_closed_forms():
    for t in (-30.0, -1.0, 0.0, 0.3, 2.0, 1e6):
        assert t_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-12)
        assert t_cdf(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-12)


@pytest.mark.parametrize("df", DEGREES)
def test_cdf_and_quantile_against_exact_arithmetic(df):
    """Abramowitz and Stegun 26.7.1 in 40 digits, where scipy has its own approximations."""
    for t in (-50.0, -4.0, -1.7, -0.01, 0.0, 0.5, 1.0, 2.5, 8.0):
        assert t_cdf(t, df) == pytest.approx(exact_cdf(t, df), abs=1e-10)
    for p in (1e-6, 0.01, 0.3, 0.5, 0.6, 0.95, 0.975, 0.9999):
        t = t_quantile(p, df)
        assert exact_cdf(t, df) == pytest.approx(p, rel=1e-9)


def exact_cdf(t: float, df: float) -> float:
    with mpmath.workdps(40):
        ratio = mpmath.mpf(df) / (mpmath.mpf(df) + mpmath.mpf(t) ** 2)
        half = mpmath.betainc(mpmath.mpf(df) / 2, 0.5, 0, ratio, regularized=True) / 2
        return float(half if t < 0 else 1 - half)


def test_the_ends_of_the_distribution():
    assert t_cdf(-math.inf, 3) == 0
    assert t_cdf(math.inf, 3) == 1
    assert t_quantile(0, 3) == -math.inf
    assert t_quantile(1, 3) == math.inf
    assert t_quantile(0.5, 3) == 0


@given(p=st.floats(1e-6, 1 - 1e-6), df=st.floats(0.5, 1e6))
@settings(deadline=None, max_examples=60)
def test_the_quantile_inverts_the_cdf(p, df):
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, abs=1e-10)


@pytest.mark.parametrize(("p", "df"), [(-0.1, 3), (1.1, 3), (math.nan, 3), (0.5, 0), (0.5, -1)])
def test_bad_quantiles(p, df):
    with pytest.raises(InputError):
        t_quantile(p, df)


@pytest.mark.parametrize(("t", "df"), [(math.nan, 3), (1.0, 0), (1.0, math.nan)])
def test_bad_arguments_of_the_cdf(t, df):
    with pytest.raises(InputError):
        t_cdf(t, df)


def test_a_mean_by_hand():
    """1, 2, 3: standard error 1 / sqrt(3), and 4.30265 of them at each side."""
    interval = mean_interval([1, 2, 3])
    assert interval.estimate == 2
    assert interval.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert interval.width == pytest.approx(2 * 4.302653 / math.sqrt(3), abs=1e-6)
    assert interval.contains(interval.low)
    assert interval.contains(2)
    assert not interval.contains(5)


def test_equal_values_have_no_width():
    assert mean_interval([0.1, 0.1, 0.1]) == Interval(0.1, 0.1, 0.1)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [[1.0, 2.0]], ["a", "b"]])
def test_values_without_a_mean_interval(values):
    with pytest.raises(InputError):
        mean_interval(values)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, math.nan])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(InputError, match="confidence"):
        mean_interval([1, 2], confidence)


@given(values=st.lists(numbers, min_size=2, max_size=8), shift=numbers)
@settings(deadline=None, max_examples=50)
def test_a_mean_interval_moves_with_its_values(values, shift):
    before = mean_interval(values)
    after = mean_interval([value + shift for value in values])
    assert after.low == pytest.approx(before.low + shift, abs=1e-6)
    assert after.high == pytest.approx(before.high + shift, abs=1e-6)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_t_intervals_cover_the_mean(n):
    rng = np.random.default_rng(n)
    samples = rng.normal(7.0, 2.0, size=(4000, n))
    covered = np.mean([mean_interval(sample).contains(7.0) for sample in samples])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_p_values_against_scipy():
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 20):
        for shift in (0.0, 0.5, 30.0):
            differences = rng.normal(shift, 1.0, size=n)
            expected = stats.ttest_1samp(differences, 0.0).pvalue
            assert paired_p_value(differences) == pytest.approx(expected, rel=1e-8)


def test_p_values_of_equal_differences():
    assert paired_p_value([0.1, 0.1, 0.1]) == 0.0
    assert paired_p_value([0.0, 0.0]) == 1.0
    with pytest.raises(InputError):
        paired_p_value([1.0])


def test_the_p_value_and_the_interval_agree():
    rng = np.random.default_rng(1)
    for differences in rng.normal(0.7, 1.0, size=(200, 5)):
        for confidence in (0.8, 0.95):
            inside = mean_interval(differences, confidence).contains(0)
            assert inside == (paired_p_value(differences) > 1 - confidence)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_holm_lies_between_the_raw_values_and_bonferroni(values, random):
    adjusted = holm(values)
    assert (adjusted >= np.array(values)).all()
    assert (adjusted <= np.minimum(np.array(values) * len(values), 1) + 1e-12).all()
    order = list(range(len(values)))
    random.shuffle(order)
    assert holm([values[i] for i in order]) == pytest.approx(adjusted[order])


@pytest.mark.parametrize("values", [[1.2], [-0.1], [math.nan], [[0.1]]])
def test_holm_takes_probabilities(values):
    with pytest.raises(InputError):
        holm(values)
