"""What a learning report that compares leaves behind: the figures of its keys, by the names that MLflow shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.learned import LearnedKey, LearningComparison
from playbook.manifest import Comparison, Manifest, RunMetadata
from playbook.summary import KeySummary


def compared(run_id: str, started_at: str, summaries: Sequence[KeySummary], index: Manifest) -> LearningComparison:
    """The record of a report."""
    keys = tuple(
        LearnedKey(one.key, one.control_key, _numbers(one, index.comparisons.get(one.key))) for one in summaries
    )
    earlier = _conditions(index.compared_to) if index.compared_to else {}
    return LearningComparison(run_id, started_at, _conditions(index.run_metadata), earlier, keys)


def _numbers(one: KeySummary, change: Comparison | None) -> dict[str, float | None]:
    """Its own figures, its gain over its control, and what changed since the earlier report."""
    seen, use = one.momentum, one.usage
    found: dict[str, float | None] = {
        "reward": one.reward_mean, "reward/recent": seen.recent.mean, "reward/baseline": seen.baseline.mean,
        "reward/delta": seen.delta, "reward/delta/low": seen.low, "reward/delta/high": seen.high,
        "sessions": float(one.sessions), "cue_trigger_rate": use.cue_trigger_rate, "adoption_rate": use.adoption_rate,
    }  # fmt: skip
    if one.control is not None:
        gain = one.control
        found |= {"gain": gain.delta, "gain/low": gain.low, "gain/high": gain.high, "gain/p": gain.holm,
                  "gain/tasks": float(gain.tasks)}  # fmt: skip
    if change is not None:
        found |= {
            "change/reward_recent": change.recent_mean_delta, "change/reward_latest": change.latest_score_delta,
            "change/sessions": float(change.session_count_delta), "change/adoption_rate": change.adoption_rate_delta,
            "change/cue_trigger_rate": change.cue_trigger_rate_delta,
        }  # fmt: skip
    return found


def _conditions(about: RunMetadata) -> dict[str, str]:
    said: Mapping[str, object] = {
        "prompt_variant": about.prompt_variant, "synthesis_models": ", ".join(about.synthesis_models),
        "pamphlet_injection": about.pamphlet_injection, "summary_only": about.summary_only or None,
        "evaluated_at": about.evaluated_at, "store": about.store,
        **{f"window {name}": value for name, value in about.windows.items()},
        **{f"filter {name}": ", ".join(values) for name, values in about.filters.items()},
    }  # fmt: skip
    return {name: str(value) for name, value in said.items() if value not in (None, "")}
