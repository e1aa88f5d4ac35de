"""Learning curves as numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_coordconv._util.errors import InputError
from rl_coordconv.statistics import (
    area_under_curve,
    curve_band,
    mean_interval,
    on_grid,
    steps_to_threshold,
)

STEPS, VALUES = [10, 20, 40], [1.0, 3.0, 2.0]


def test_the_grid_takes_the_last_value():
    grid = on_grid(STEPS, VALUES, [5, 10, 19, 20, 39, 40, 1000])
    np.testing.assert_equal(grid, [np.nan, 1, 1, 3, 3, 2, 2])
    assert on_grid([1, 1, 1], [5, 6, 7], [1]).tolist() == [7]
    assert on_grid(STEPS, VALUES, []).tolist() == []


def test_areas_by_hand():
    assert area_under_curve(STEPS, VALUES, 40) == pytest.approx((10 * 1 + 20 * 3) / 30)
    assert area_under_curve(STEPS, VALUES, 50) == pytest.approx((10 * 1 + 20 * 3 + 10 * 2) / 40)
    assert area_under_curve(STEPS, VALUES, 30) == pytest.approx((10 * 1 + 10 * 3) / 20)
    assert area_under_curve(STEPS, VALUES, 15) == pytest.approx(1)
    assert area_under_curve([0], [7], 100) == 7


@pytest.mark.parametrize("budget", [10, 0, math.nan, math.inf])
def test_a_budget_lies_beyond_the_first_step(budget):
    with pytest.raises(InputError, match="budget"):
        area_under_curve(STEPS, VALUES, budget)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(-10, 10)), min_size=1, max_size=8),
    st.integers(51, 90),
)
@settings(deadline=None, max_examples=60)
def test_the_area_is_the_mean_on_a_fine_grid(points, budget):
    steps, values = zip(*sorted(points, key=lambda point: point[0]), strict=True)
    heights = on_grid(steps, values, np.arange(steps[0], budget))
    assert area_under_curve(steps, values, budget) == pytest.approx(heights.mean(), abs=1e-9)


def test_steps_to_a_threshold():
    assert steps_to_threshold(STEPS, VALUES, 0) == 10
    assert steps_to_threshold(STEPS, VALUES, 1.5) == 20
    assert steps_to_threshold(STEPS, VALUES, 3) == 20
    assert steps_to_threshold(STEPS, VALUES, 3.1) == math.inf
    with pytest.raises(InputError):
        steps_to_threshold(STEPS, VALUES, math.nan)


@pytest.mark.parametrize(
    ("steps", "values"),
    [([], []), ([1, 2], [1]), ([2, 1], [1, 1]), ([1, 2], [1, math.nan]), ([1, math.inf], [1, 1])],
)
def test_curves_that_are_none(steps, values):
    with pytest.raises(InputError):
        on_grid(steps, values, [1])
    with pytest.raises(InputError):
        area_under_curve(steps, values, 9)
    with pytest.raises(InputError):
        steps_to_threshold(steps, values, 1)


def test_a_band_is_the_interval_at_each_point():
    curves = np.random.default_rng(0).normal(size=(5, 4))
    curves[0, 1] = curves[2, 1] = np.nan
    band = curve_band(curves, 0.9)
    for point, column in enumerate(curves.T):
        interval = mean_interval(column[~np.isnan(column)], 0.9)
        assert band.estimate[point] == pytest.approx(interval.estimate)
        assert band.low[point] == pytest.approx(interval.low)
        assert band.high[point] == pytest.approx(interval.high)


def test_few_runs_have_no_band():
    nan = np.nan
    mean, low, high = curve_band([[1, 2, nan], [3, nan, nan]])
    np.testing.assert_equal(mean, [2, 2, nan])
    np.testing.assert_equal(np.isnan(low), [False, True, True])
    np.testing.assert_equal(np.isnan(high), [False, True, True])
    np.testing.assert_equal(curve_band(np.empty((0, 2))).estimate, [nan, nan])


@pytest.mark.parametrize("curves", [[1.0, 2.0], [[1.0, math.inf]]])
def test_bands_of_what_is_no_curve(curves):
    with pytest.raises(InputError):
        curve_band(curves)
