"""Digests of metadata: never over budget, nothing dropped that would have fitted, and what is missing is said."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.digest import DigestSection, digest_budget, feedback_digest, metadata_digest
from core.errors import BudgetError

ANTHROPIC = "anthropic"


def read(metadata, provider=ANTHROPIC, **keys):
    text = metadata_digest(metadata, provider, DigestSection.model_validate(keys))
    return text, json.loads(text)


@pytest.mark.parametrize(
    ("provider", "budget"),
    [("anthropic", 20_000), ("bedrock", 20_000), ("openai", 12_800), ("azure", 12_800), ("xai", 12_800),
     ("gemini", 100_000), ("google", 12_000), ("ollama", 20_000)],
)  # fmt: skip
def test_a_provider_s_budget_is_a_fortieth_of_its_window(provider, budget):
    assert digest_budget(DigestSection(), provider) == budget


def test_the_smaller_of_cap_and_provider_s_budget_holds():
    both = DigestSection(char_budget=24_000, provider_char_budgets={"anthropic": 18_000})
    assert digest_budget(both, "anthropic") == 18_000
    assert digest_budget(both, "gemini") == 24_000
    assert digest_budget(both, "openai") == 12_800
    assert digest_budget(DigestSection(char_budget=4_000), "openai") == 4_000


def test_a_long_run_is_cut_to_what_matters():
    text, found = read(
        {
            "task": "Summarise incident" * 1000,
            "session_learning_audit": ["payload"] * 200,
            "session_reward_audit": [{"score": 1, "rationale": "rationale" * 200}] * 50,
            "session_metadata": {"token_usage": {"prompt_tokens": 12345, "completion_tokens": 6789}},
        }
    )
    stats, audits = found["digest_stats"], found["session"]["session_reward_audit_summary"]

    assert (stats["budget"], stats["size"], stats["util"]) == (20_000, 7_410, 0.3705)
    assert len(text) == 7_410
    assert len(found["summary"]["task"]) == 4_000
    assert found["summary"]["task"].endswith("...")
    assert stats["omitted"] == ["session_learning_audit"]
    assert audits["entries"] == 50
    assert (len(audits["sample"]), audits["sample"][-1]) == (4, {"omitted": 47})
    assert len(audits["sample"][0]["rationale"]) == 1_000
    assert set(found["session"]["session_metadata"]) == {"token_usage"}
    assert stats["sections"] == {
        name: len(json.dumps(found[name], separators=(",", ":"))) for name in ("summary", "session")
    }


def test_settings_say_how_much_of_each_part_is_shown():
    plan = {"steps": [{"id": i, "description": f"step {i}", "cost": 9} for i in range(9)]}
    history = {"entries": [{"id": i, "reward": {"score": i / 10}} for i in range(6)]}
    steps = {str(i): {"output": f"out {i}"} for i in range(1, 13)}
    metadata = {
        "plan": plan,
        "learning_history": history,
        "steps": steps,
        "session_metadata": {"mine": 1, "a_stats": 2},
    }

    _, found = read(metadata, max_plan_steps=6, max_learning_history_entries=2, include_session_keys=["mine"])

    assert (found["plan"]["total_steps"], len(found["plan"]["steps"])) == (9, 6)
    assert found["plan"]["steps"][0] == {"id": 0, "description": "step 0"}
    assert found["learning"]["learning_history"]["entries"] == 6
    assert [entry["id"] for entry in found["learning"]["learning_history"]["recent"]] == [4, 5]
    assert found["learning"]["learning_history"]["average_score"] == 0.25
    assert [step["id"] for step in found["recent_steps"]] == ["8", "9", "10", "11", "12"]
    assert found["session"]["session_metadata"] == {"mine": 1, "a_stats": 2}


PARTS = {
    "task": "t" * 900, "prompt_rewrite": "r" * 900, "student_playbook": "p" * 900,
    "session_trajectory": ["e" * 900], "session_student_learning": "l" * 900, "steps": ["s" * 900],
}  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "dropped"),
    [(6_200, None), (5_400, ["prompt_rewrite"]), (4_400, ["prompt_rewrite", "playbooks"])],
)
def test_the_least_valuable_goes_first(budget, dropped):
    assert read(PARTS, char_budget=budget)[1]["digest_stats"].get("omitted_sections") == dropped


def test_nothing_small_is_given_up_for_nothing():
    """Only leaving out the long section makes room; what was dropped on the way to it is put back."""
    long = {**PARTS, "steps": [c * 4_000 for c in "abcde"]}
    _, found = read(long, char_budget=6_500, max_string_chars=4_000)
    assert found["digest_stats"]["omitted_sections"] == ["recent_steps"]
    assert {"prompt_rewrite", "playbooks", "trajectory", "learning"} < set(found)


def test_the_dropped_sections_are_named_even_where_statistics_must_shrink():
    keys = {f"unknown_key_number_{i}": 1 for i in range(60)}
    _, found = read({"task": "t" * 700, "prompt_rewrite": "r" * 1500, **keys}, char_budget=1_024)
    assert found["digest_stats"]["omitted_sections"] == ["prompt_rewrite"]
    assert found["digest_stats"]["omitted"] == [{"omitted": 60}]


def test_a_budget_that_cannot_be_kept_is_an_error_with_its_sizes():
    with pytest.raises(BudgetError, match=r"anthropic where 1024 are allowed.*summary 2011") as raised:
        read({"task": "t" * 5_000}, provider_char_budgets={"anthropic": 1_024}, max_section_chars=2_000)
    assert "max_section_chars" in raised.value.hint


def test_switched_off_it_is_the_raw_metadata():
    metadata = {"task": "é" * 50_000, "session_learning_audit": [1, {"a": None}]}
    text, found = read(metadata, enabled=False)
    assert found == metadata
    assert text == json.dumps(metadata, separators=(",", ":"), ensure_ascii=False)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [*PARTS, "plan", "learning_history", "session_metadata", "session_reward_audit", "other", "adaptive"]
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES), st.integers(1_024, 3_000))
def test_no_digest_is_over_its_budget_and_each_says_its_own_size(metadata, budget):
    try:
        text, found = read(metadata, char_budget=budget)
    except BudgetError:
        return
    assert len(text) == found["digest_stats"]["size"] <= budget


ROWS = [{"Inputs": {"log": "x" * 90_000}, "Feedback": "wrong: " + "y" * 400, "Score": n} for n in range(3)]


def test_rows_with_feedback_go_out_as_they_are_where_they_fit_and_cut_to_one_length_where_not():
    assert feedback_digest(ROWS, "gemini") == ROWS
    shown = feedback_digest(ROWS, "openai")
    stats = shown[-1]["digest_stats"]
    assert stats["budget"] == 128_000
    assert 127_000 < len(json.dumps(shown, separators=(",", ":"))) <= 128_000
    assert {len(row["Inputs"]["log"]) for row in shown} == {stats["texts_cut_to"]}
    assert [row["Score"] for row in shown] == [0, 1, 2]
    assert shown[0]["Feedback"] == ROWS[0]["Feedback"]
    assert feedback_digest(ROWS, "openai", DigestSection(enabled=False)) == ROWS


def test_a_setting_bounds_what_a_reflection_is_shown_and_lists_are_cut_last():
    small = DigestSection(provider_char_budgets={"openai": 2_000})
    assert len(json.dumps(feedback_digest(ROWS, "openai", small), separators=(",", ":"))) <= 2_000
    many = [{"Inputs": ["z" * 100] * 200, "Feedback": "f"}]
    (row,) = feedback_digest(many, "openai", small)
    assert row["Inputs"][-1] == {"omitted": 197}
    with pytest.raises(BudgetError, match="do not fit"):
        feedback_digest([{str(n): "q" * 99 for n in range(60)}], "openai", small)
