"""Statistics, each one once: intervals, paired decisions, power, agreement, many cells, races, sequential tests."""

from stats.adjusted import AdjustedLift, adjusted_lift
from stats.agreement import Measured, bounded_mean, noise_sd, spearman, weighted_kappa
from stats.bounds import least_kind
from stats.clustered import ratio_interval
from stats.comparison import Comparison, compare_all, rows_to_show
from stats.contingency import label_permutation_test, newcombe, stratified_exact_test, welch_interval
from stats.counted import Decision
from stats.eprocess import EDesign, EState
from stats.fixed import FixedDesign, FixedState
from stats.holdout import opening_alpha
from stats.intervals import Interval, bootstrap_mean, t_interval, tango, tango_score, wilson
from stats.keys import KeyScore, KeyScores, key_interval, key_scores
from stats.likely import probability_above
from stats.operating import OperatingCharacteristics, operating_characteristics, simulate
from stats.paired import (
    PairedDecision,
    compare_scores,
    minimum_pairs,
    paired_decision,
    paired_deltas,
    two_point_unit,
)
from stats.paired_tests import exact_sign_test, holm, mcnemar_exact, permutation_test
from stats.pareto import Placed, Priced, cheapest_reaching, dominates, pareto_front, place_all
from stats.power import Preflight, mde, paired_power, preflight, required_pairs
from stats.race import Race
from stats.sequential import (
    SprtDesign,
    SprtState,
    default_n_max,
    expected_observations,
    fixed_arm_size,
    fixed_sample_size,
)
from stats.shift import CategoryShift, category_shift, ks_distance, ks_threshold, pearson
from stats.skewed import skew_interval, skew_test
from stats.verdict_forecast import VerdictForecast, VerdictRates, forecast_verdicts, rows_to_promote
from stats.worst_case import unseen_share, worst_case_test

__all__ = [
    "AdjustedLift",
    "CategoryShift",
    "Comparison",
    "Decision",
    "EDesign",
    "EState",
    "FixedDesign",
    "FixedState",
    "Interval",
    "KeyScore",
    "KeyScores",
    "Measured",
    "OperatingCharacteristics",
    "PairedDecision",
    "Placed",
    "Preflight",
    "Priced",
    "Race",
    "SprtDesign",
    "SprtState",
    "VerdictForecast",
    "VerdictRates",
    "adjusted_lift",
    "bootstrap_mean",
    "bounded_mean",
    "category_shift",
    "cheapest_reaching",
    "compare_all",
    "compare_scores",
    "default_n_max",
    "dominates",
    "exact_sign_test",
    "expected_observations",
    "fixed_arm_size",
    "fixed_sample_size",
    "forecast_verdicts",
    "holm",
    "key_interval",
    "key_scores",
    "ks_distance",
    "ks_threshold",
    "label_permutation_test",
    "least_kind",
    "mcnemar_exact",
    "mde",
    "minimum_pairs",
    "newcombe",
    "noise_sd",
    "opening_alpha",
    "operating_characteristics",
    "paired_decision",
    "paired_deltas",
    "paired_power",
    "pareto_front",
    "pearson",
    "permutation_test",
    "place_all",
    "preflight",
    "probability_above",
    "ratio_interval",
    "required_pairs",
    "rows_to_promote",
    "rows_to_show",
    "simulate",
    "skew_interval",
    "skew_test",
    "spearman",
    "stratified_exact_test",
    "t_interval",
    "tango",
    "tango_score",
    "two_point_unit",
    "unseen_share",
    "weighted_kappa",
    "welch_interval",
    "wilson",
    "worst_case_test",
]
