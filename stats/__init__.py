"""Statistics, each one once: intervals, paired tests, the paired decision, power, and alpha for reused holdouts."""

from stats.holdout import opening_alpha
from stats.intervals import Interval, bootstrap_mean, t_interval, tango, tango_score, wilson
from stats.keys import KeyScore, KeyScores, key_interval, key_scores
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
from stats.shift import CategoryShift, category_shift, ks_distance, ks_threshold, pearson
from stats.skewed import skew_interval, skew_test
from stats.worst_case import worst_case_test

__all__ = [
    "CategoryShift",
    "Interval",
    "KeyScore",
    "KeyScores",
    "PairedDecision",
    "Preflight",
    "bootstrap_mean",
    "category_shift",
    "compare_scores",
    "exact_sign_test",
    "holm",
    "key_interval",
    "key_scores",
    "ks_distance",
    "ks_threshold",
    "mcnemar_exact",
    "mde",
    "minimum_pairs",
    "opening_alpha",
    "paired_decision",
    "paired_deltas",
    "paired_power",
    "pearson",
    "permutation_test",
    "preflight",
    "required_pairs",
    "skew_interval",
    "skew_test",
    "t_interval",
    "tango",
    "tango_score",
    "two_point_unit",
    "wilson",
    "worst_case_test",
]
