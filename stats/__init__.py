"""Statistics, each one once: intervals, paired decisions, power, agreement, comparisons of many cells, and races."""

from stats.adjusted import AdjustedLift, adjusted_lift
from stats.agreement import Measured, bounded_mean, noise_sd, spearman, weighted_kappa
from stats.bounds import least_kind
from stats.comparison import Comparison, compare_all, dominates, pareto_front, rows_to_show
from stats.holdout import opening_alpha
from stats.intervals import Interval, bootstrap_mean, t_interval, tango, tango_score, wilson
from stats.keys import KeyScore, KeyScores, key_interval, key_scores
from stats.likely import probability_above
from stats.paired import (
    PairedDecision,
    compare_scores,
    minimum_pairs,
    paired_decision,
    paired_deltas,
    two_point_unit,
)
from stats.paired_tests import exact_sign_test, holm, mcnemar_exact, permutation_test
from stats.power import Preflight, mde, paired_power, preflight, required_pairs
from stats.race import Race
from stats.shift import CategoryShift, category_shift, ks_distance, ks_threshold, pearson
from stats.skewed import skew_interval, skew_test
from stats.verdict_forecast import VerdictForecast, VerdictRates, forecast_verdicts
from stats.worst_case import unseen_share, worst_case_test

__all__ = [
    "AdjustedLift",
    "CategoryShift",
    "Comparison",
    "Interval",
    "KeyScore",
    "KeyScores",
    "Measured",
    "PairedDecision",
    "Preflight",
    "Race",
    "VerdictForecast",
    "VerdictRates",
    "adjusted_lift",
    "bootstrap_mean",
    "bounded_mean",
    "category_shift",
    "compare_all",
    "compare_scores",
    "dominates",
    "exact_sign_test",
    "forecast_verdicts",
    "holm",
    "key_interval",
    "key_scores",
    "ks_distance",
    "ks_threshold",
    "least_kind",
    "mcnemar_exact",
    "mde",
    "minimum_pairs",
    "noise_sd",
    "opening_alpha",
    "paired_decision",
    "paired_deltas",
    "paired_power",
    "pareto_front",
    "pearson",
    "permutation_test",
    "preflight",
    "probability_above",
    "required_pairs",
    "rows_to_show",
    "skew_interval",
    "skew_test",
    "spearman",
    "t_interval",
    "tango",
    "tango_score",
    "two_point_unit",
    "unseen_share",
    "weighted_kappa",
    "wilson",
    "worst_case_test",
]
