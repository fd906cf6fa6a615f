"""Entries and their rubric: the exact scores, what each gate refuses and why, and that one bad entry harms no other."""

from dataclasses import replace

import pytest

from core.errors import DataError
from core.patterns import SlowPatternError
from playbook.cues import cue_problem, find_cue
from playbook.entry import Category, Cue, CueType, Lifecycle, guidance_digest, read_entry
from playbook.learning import LearningSection
from playbook.rubric import judge, quality

LEARNING = LearningSection.model_validate({"schema": {"allowed_runtime_handles": ["logs.search", "data.query*"]}})


def entry(*, cue=("keyword", "check logs"), imperative="Search the logs before you answer.", handle="logs.search",
          effect="Finds the cause sooner.", constraints=""):  # fmt: skip
    return read_entry(
        {
            "cue": {"type": cue[0], "pattern": cue[1]},
            "action": {"imperative": imperative, "runtime_handle": handle},
            "expected_effect": effect,
            "scope": {"category": "reinforcement", "constraints": constraints},
        }
    )


@pytest.mark.parametrize(
    ("case", "total", "failing"),
    [
        ({}, 0.88, ()),
        ({"cue": ("regex", r"check(ed)? logs")}, 1.0, ()),
        ({"cue": ("predicate", "logs.unread")}, 0.92, ()),
        ({"cue": ("regex", "check(logs")}, 0.8, ("cue",)),
        ({"cue": ("keyword", "")}, 0.8, ("cue",)),
        ({"handle": "shell.run"}, 0.48, ("actionability",)),
        ({"imperative": " "}, 0.48, ("actionability",)),
        ({"effect": "Prevents what happened on 2024-05-17."}, 0.58, ("generality",)),
        ({"effect": "Prevents another INC-20413."}, 0.58, ("generality",)),
        ({"effect": "Helps customers of Globex."}, 0.58, ("generality",)),
    ],
)
def test_the_score_is_the_weighted_mean_of_facts(case, total, failing):
    judged = judge(entry(**case), LEARNING)

    assert judged.total == pytest.approx(total)
    assert tuple(judged.failures) == failing
    assert judged.accepted is not bool(failing)
    assert judged.entry.lifecycle is (Lifecycle.REJECTED if failing else Lifecycle.ACTIVE)
    assert judged.entry.provenance.scores["total"] == judged.total


def test_a_text_that_is_too_long_loses_concision_and_is_not_general():
    short = entry(effect="")
    rest = 663 - len(short.action.imperative + short.cue.pattern)
    judged = judge(entry(effect="x" * rest), LEARNING)

    assert judged.scores["concision"] == pytest.approx(1 - 243 / 420)
    assert round(judged.scores["concision"], 4) == 0.4214
    assert round(judged.total, 5) == 0.52214
    assert "exceeds_length" in judged.why


@pytest.mark.parametrize(
    ("weights", "shares"),
    [({"generality": 0.5}, (0.3333, 0.4167, 0.1667, 0.0833)), ({"concision": 0.2}, (0.3636, 0.2727, 0.1818, 0.1818))],
)
def test_weights_are_shares_of_their_sum(weights, shares):
    judged = judge(entry(), LearningSection.model_validate({"rubric_weights": weights}))
    assert tuple(judged.weights.values()) == shares


def test_weights_of_nothing_are_refused():
    nothing = dict.fromkeys(("actionability", "generality", "hookability", "concision"), 0)
    with pytest.raises(ValueError, match="at least one weight"):
        LearningSection.model_validate({"rubric_weights": nothing})


@pytest.mark.parametrize(
    ("handle", "real"),
    [("logs.search", True), ("LOGS.Search", True), ("data.query", True), ("data.query_rows", True),
     ("logs.search_all", False), ("data", False), ("", False)],
)  # fmt: skip
def test_a_star_at_the_end_of_a_handle_is_any_ending(handle, real):
    assert ("actionability" not in judge(entry(handle=handle), LEARNING).failures) is real


def test_without_a_list_of_handles_any_will_do():
    assert judge(entry(handle="anything"), LearningSection()).accepted


@pytest.mark.parametrize(
    "general",
    ["Convert names to lowercase.", "Keep answers under 2000 tokens.", "Use UTF-16 and SHA-256.",
     "Read at most 1999 rows",
     "Use JSON. Then check it! Always.", "in 2000 tokens or fewer", "Version 3.11 is enough."],
)  # fmt: skip
def test_words_that_only_look_special_are_general(general):
    assert "generality" not in judge(entry(effect=general), LEARNING).failures


@pytest.mark.parametrize(
    ("special", "named"),
    [("as in that case before", "banned token 'case'"), ("after the Postmortem", "banned token 'postmortem'"),
     ("fails since 2023.", "date 'since 2023'"), ("since May 2024 it fails", "date 'May 2024'"),
     ("on 17.05.2024 it failed", "date"), ("as 2024-05 showed", "date '2024-05'"), ("see issue 4711", "reference"),
     ("like #48213", "reference"), ("for Initech only", "proper noun 'Initech'")],
)  # fmt: skip
def test_words_of_one_occasion_are_named(special, named):
    assert named in judge(entry(effect=special), LEARNING).why


def test_a_gate_that_is_off_lets_pass_and_hides_nothing():
    off = LearningSection.model_validate({"gates": {"enforce_generality": False}})
    judged = judge(entry(effect="Helps customers of Globex."), off)

    assert judged.accepted
    assert judged.scores["generality"] == 0
    assert judged.total == pytest.approx(0.58)
    assert judged.failures["generality"] == ("proper noun 'Globex'",)


def test_the_block_of_the_guide_is_read_word_for_word():
    block = {
        "enabled": True, "update_enabled": True,
        "schema": {"allowed_runtime_handles": ["logs.search", "data.query*"], "cue_types": ["regex", "keyword"],
                   "default_scope_category": "reinforcement"},
        "gates": {"enforce_actionability": True, "enforce_cue": True, "enforce_generality": True,
                  "max_text_length": 420, "allowed_proper_nouns": ["SQL", "HTTP", "JSON", "Atlas"]},
        "rubric_weights": {"actionability": 0.4, "generality": 0.3, "hookability": 0.2, "concision": 0.1},
        "usage_tracking": {"enabled": True, "capture_examples": True, "max_examples_per_entry": 3},
    }  # fmt: skip
    learning = LearningSection.model_validate(block)

    assert judge(entry(cue=("predicate", "x")), learning).failures["cue"] == ("cues of type predicate are not allowed",)
    assert learning.usage_tracking.examples == 3
    assert learning.apply_to_prompts
    with pytest.raises(ValueError, match="Extra inputs"):
        LearningSection.model_validate({"gate": {}})


def test_a_batch_is_counted_by_gate():
    batch = [judge(entry(), LEARNING), judge(entry(handle="shell.run"), LEARNING)]
    found = quality(batch, "2026-01-01T00:00:00+00:00")

    assert (found.candidates, found.passed, found.failed, found.pass_rate) == (2, 1, 1, 0.5)
    assert found.gate_failures == {"actionability": 1, "cue": 0, "generality": 0}
    assert found.average_score == pytest.approx((0.88 + 0.48) / 2)
    assert quality([], "").pass_rate is None


def test_an_entry_s_name_is_what_it_says_and_not_what_it_is_hoped_to_do():
    assert entry().id == entry(effect="Something else.").id
    assert entry().id != entry(constraints="only at night").id
    assert entry().id.startswith("playbook-entry-")
    assert len(entry().id) == len("playbook-entry-") + 12


def test_what_is_written_loosely_is_read_and_what_is_no_entry_is_refused():
    loose = read_entry({"cue": {"type": "vibe", "pattern": " p "}, "action": {"imperative": "Do.", "tool_name": "t"}},
                       category=Category.DIFFERENTIATION)  # fmt: skip
    assert loose.cue == Cue(CueType.KEYWORD, "p")
    assert loose.scope.category is Category.DIFFERENTIATION
    assert (loose.action.tool, loose.action.handle) == ("t", "")
    with pytest.raises(DataError, match=r"entry\.action: str where an object is needed"):
        read_entry({"cue": {}, "action": "run"})


def test_of_guidance_only_a_digest_is_kept():
    assert guidance_digest("Look first.") == guidance_digest("Look first.") != guidance_digest("Look.")
    assert (len(guidance_digest("Look first.")), guidance_digest("")) == (16, "")


def test_a_cue_is_found_whatever_its_case_and_shown_in_its_place():
    found = find_cue(Cue(CueType.KEYWORD, "Check Logs"), "x" * 300 + " always check logs before")
    assert found.start == 308
    assert "check logs" in found.snippet
    assert len(found.snippet) <= 200
    assert find_cue(Cue(CueType.REGEX, r"err\w+ \d{3}"), "An ERROR 503 came") is not None
    assert find_cue(Cue(CueType.REGEX, "(broken"), "(broken") is None
    assert find_cue(Cue(CueType.PREDICATE, "queue.empty"), "nothing") is None


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"([a-z]+)*\d!$", r"(a|aa)+$"])
def test_a_pattern_that_would_hold_up_the_process_is_refused_and_cut_short(pattern):
    assert "takes too long" in cue_problem(Cue(CueType.REGEX, pattern))
    with pytest.raises(SlowPatternError):
        find_cue(Cue(CueType.REGEX, pattern), "a" * 5_000 + "!")


def test_a_pattern_that_is_in_every_text_is_no_cue():
    assert "fire always" in cue_problem(Cue(CueType.REGEX, "(logs)?"))
    assert judge(replace(entry(), cue=Cue(CueType.REGEX, ".*")), LEARNING).scores["hookability"] == 0
