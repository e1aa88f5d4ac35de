"""Statistics for few runs: intervals, aggregates over games, bootstraps, curves and verdicts.

Needs numpy alone. Whatever is random takes a ``numpy.random.Generator``.
"""

from rl_coordconv.statistics.aggregates import (
    AGGREGATES,
    Aggregate,
    interquartile_mean,
    median_regression,
    optimality_gap,
)
from rl_coordconv.statistics.arrays import Numbers, Scores
from rl_coordconv.statistics.bootstrap import (
    bootstrap_interval,
    paired_stratified_interval,
    stratified_interval,
)
from rl_coordconv.statistics.curves import (
    area_under_curve,
    curve_band,
    on_grid,
    steps_to_threshold,
)
from rl_coordconv.statistics.improvement import improvement_interval, probability_of_improvement
from rl_coordconv.statistics.intervals import Band, Interval, mean_interval
from rl_coordconv.statistics.p_values import holm, paired_p_value
from rl_coordconv.statistics.profiles import performance_profile, profile_band
from rl_coordconv.statistics.student import t_cdf, t_quantile
from rl_coordconv.statistics.verdicts import Decision, Verdict, decide

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "Band",
    "Decision",
    "Interval",
    "Numbers",
    "Scores",
    "Verdict",
    "area_under_curve",
    "bootstrap_interval",
    "curve_band",
    "decide",
    "holm",
    "improvement_interval",
    "interquartile_mean",
    "mean_interval",
    "median_regression",
    "on_grid",
    "optimality_gap",
    "paired_p_value",
    "paired_stratified_interval",
    "performance_profile",
    "probability_of_improvement",
    "profile_band",
    "steps_to_threshold",
    "stratified_interval",
    "t_cdf",
    "t_quantile",
]
