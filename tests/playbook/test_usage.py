"""Use and impact: what fires, what is followed, and what a difference means, in exact values."""

import numpy as np
import pytest

from core.errors import DataError
from playbook.drift import drift
from playbook.entry import read_entry
from playbook.impact import impact_of, impacts, totals
from playbook.learning import UsageSection
from playbook.usage import SessionUsage, Use, session_usage, use_of, with_usage
from sessions.record import Outcome, Session, Step


def entry(pattern="check logs", handle="logs.search", kind="keyword"):
    return read_entry(
        {"cue": {"type": kind, "pattern": pattern}, "action": {"imperative": "Search the logs.", "handle": handle}}
    )


def called(error="", tool="logs.search", result="", text=""):
    return Step("assistant", text=text, tool=tool, result=result, error=error)


ASKED = Step("user", "Always check logs before querying")


def usage(name, task, reward, tokens=None, *, entry_id="e", **use):
    return SessionUsage(name, task, reward, tokens, None, 0, (Use(entry_id, **use),))


def test_a_hit_and_two_calls_one_of_which_fails():
    use = use_of(entry(), [ASKED, called(), called(error="timeout")])

    assert (use.hits, use.adoptions, use.successes, use.failures, use.followed) == (1, 2, 1, 1, 1)
    assert use.steps == (0, 1, 2)
    assert use.snippets == ("Always check logs before querying",)


def test_calls_beyond_the_hits_do_not_raise_the_rate_above_one():
    three = use_of(entry(), [ASKED, called(), called(), called()])
    unasked = use_of(entry(), [called(), ASKED])

    assert (three.hits, three.adoptions, three.followed) == (1, 3, 1)
    assert (unasked.hits, unasked.adoptions, unasked.followed) == (1, 1, 0)


def test_what_a_tool_gives_back_is_followed_by_later_calls_only():
    same = use_of(entry(), [called(result="please check logs")])
    later = use_of(entry(), [called(result="please check logs"), called()])
    said = use_of(entry(), [called(text="I check logs now", result="check logs again")])

    assert [(one.hits, one.followed) for one in (same, later, said)] == [(1, 0), (1, 1), (1, 1)]


def test_only_the_handle_itself_is_an_adoption_and_snippets_are_few():
    use = use_of(entry(), [called(tool="logs.searches"), *[ASKED] * 9], examples=3)
    assert (use.adoptions, use.hits, len(use.snippets)) == (0, 9, 3)


def test_a_cue_that_takes_too_long_is_no_miss():
    use = use_of(entry(pattern=r"(a|aa)+$", kind="regex"), [Step("user", "a" * 5_000 + "!")])
    assert (use.hits, use.undecided) == (0, 1)


def test_a_session_s_usage_goes_into_its_metadata():
    session = Session("s", task="t", score=0.5, input_tokens=7, outcome=Outcome.AGENT_FAILURE, errors=("x",),
                      metadata={"retry_count": 2, "kept": 1}, trajectory=(ASKED, called()))  # fmt: skip
    found = session_usage([entry()], session, UsageSection(capture_examples=False))

    assert (found.reward, found.tokens, found.retries, found.failure_events) == (0.5, 7, 2, 1)
    recorded = with_usage(session, found).metadata
    assert recorded["kept"] == 1
    assert recorded["learning_usage"]["session"]["uses"][0] | {"entry_id": ""} == {
        "entry_id": "", "hits": 1, "adoptions": 1, "successes": 1, "followed": 1, "steps": [0, 1], "snippets": [],
        "undecided": 0,
    }  # fmt: skip


def test_what_cannot_be_known_is_said():
    with pytest.raises(DataError, match="trajectory was not loaded"):
        session_usage([entry()], Session("s"))
    down = Session("s", score=0.0, outcome=Outcome.INFRASTRUCTURE, trajectory=())
    assert session_usage([entry()], down).reward is None
    assert session_usage([entry()], down, UsageSection(enabled=False)).uses == ()


def test_impact_is_adoption_times_reward_delta():
    found = impact_of(
        "e",
        [
            usage("a", "t1", 0.72, 150, hits=3, adoptions=2, successes=1, followed=1),
            usage("b", "t2", 0.72, 150, hits=2, adoptions=1, successes=1, followed=1),
            usage("c", "t1", 0.50, 210),
        ],
    )
    assert (found.hits, found.adoptions, found.successes, found.adoption_rate) == (5, 3, 2, 0.4)
    assert found.reward_delta == pytest.approx(0.22)
    assert found.token_delta == -60
    assert (found.transfers, found.level, found.tasks) == (True, "domain", ("t1", "t2"))
    assert found.impact == pytest.approx(0.088)
    assert not found.reinforced


def test_impact_of_many_sessions():
    fired = [usage(f"f{i}", "t", float(i < 15), hits=1 + (i < 5), followed=i < 20, adoptions=1) for i in range(20)]
    quiet = [usage(f"q{i}", "t", float(i < 10)) for i in range(20)]
    found = impact_of("e", [*fired, *quiet])

    assert (found.hits, found.adoption_rate, found.reward_delta, found.impact) == (25, 0.8, 0.25, 0.2)
    assert found.reinforced
    assert impact_of("e", [*fired[:15], *quiet[:5]]).hit_rate == 0.75


def test_without_a_hit_there_is_no_impact_and_that_is_not_zero():
    found = impact_of("e", [usage("a", "t", 1.0), usage("b", "u", 0.0)])
    assert (found.adoption_rate, found.reward_delta, found.impact) == (None, None, None)
    assert (found.transfers, found.level, found.audit) == (False, "task", False)


def test_only_sessions_that_it_fired_in_count_for_transfer_and_failures():
    quiet = [SessionUsage(f"q{i}", f"t{i}", 1.0, None, 9, 4, (Use("e"),)) for i in range(5)]
    found = impact_of("e", [*quiet, SessionUsage("f", "t0", 1.0, None, 2, 1, (Use("e", hits=1),))])
    assert (found.tasks, found.transfers, found.retries, found.failure_events) == (("t0",), False, 2, 1)


@pytest.mark.parametrize(("tasks", "level"), [(1, "task"), (2, "domain"), (5, "workflow"), (10, "universal")])
def test_how_far_an_entry_reaches(tasks, level):
    assert impact_of("e", [usage(str(i), f"t{i}", 1.0, hits=1) for i in range(tasks)]).level == level


def test_an_entry_for_hard_tasks_looks_harmful_until_tasks_are_matched():
    easy = [usage(f"e{i}", f"easy{i}", 0.95) for i in range(8)]
    quiet = [usage(f"q{i}", f"hard{i}", 0.2 + i / 100) for i in range(8)]
    fired = [usage(f"f{i}", f"hard{i}", 0.5, hits=1, followed=1, adoptions=1) for i in range(8)]
    found = impact_of("e", [*easy, *quiet, *fired])

    assert found.reward_delta < 0
    assert found.audit
    assert found.matched.tasks == 8
    assert found.matched.delta == pytest.approx(0.265)
    assert found.matched.low > 0
    assert found.matched.p == pytest.approx(2 / 2**8)


def test_too_few_tasks_show_nothing():
    pairs = [usage(f"{i}{hits}", f"t{i}", float(hits), hits=hits) for i in range(5) for hits in (0, 1)]
    matched = impact_of("e", pairs).matched
    assert (matched.tasks, matched.delta, matched.low, matched.p) == (5, 1.0, None, 1.0)


def test_a_useless_entry_is_rarely_called_useful():
    """Firing by chance and rewards by task alone: the matched contrast is significant in at most 5 % of worlds."""
    rng, called_useful = np.random.default_rng(5), 0
    for world in range(120):
        rewards = (rng.random((12, 6)) < rng.random((12, 1))).astype(float)
        fired = rng.random((12, 6)) < 0.5
        usages = [usage(f"{t}-{i}", f"t{t}", rewards[t, i], hits=int(fired[t, i])) for t in range(12) for i in range(6)]
        called_useful += impact_of("e", usages, seed=world).matched.p <= 0.05
    assert called_useful <= 12  # expected 6 at most; 12 or more has a chance under 2 %


def test_entries_are_listed_by_impact_and_the_unknown_last():
    both = [
        SessionUsage("a", "t", 1.0, None, None, 0, (Use("good", 1, 1, 1, 1), Use("never"), Use("bad"))),
        SessionUsage("b", "t", 0.0, None, None, 0, (Use("good"), Use("never"), Use("bad", 1, 1, 1, 1))),
    ]
    assert [one.entry_id for one in impacts(both)] == ["good", "bad", "never"]


def test_totals_of_a_playbook():
    found = totals(
        [
            usage("a", "t", 1.0, 100, hits=2, adoptions=4, successes=3),
            usage("b", "t", 0.5, 200),
            usage("c", "t", None, 900, hits=1),
        ]
    )
    assert (found.cue_trigger_rate, found.success_rate) == (pytest.approx(2 / 3), 0.75)
    assert (found.reward_delta, found.token_delta) == (0.5, -100)
    assert totals([]).success_rate is None


def test_drift_of_four_deviations_is_an_alarm():
    found = drift([0.75, 0.85] * 5, 1.0)
    assert (found.z, found.delta, found.alert) == (pytest.approx(4), pytest.approx(0.2), True)
    assert not drift([0.75, 0.85] * 5, 0.9).alert


def test_drift_needs_a_baseline():
    assert drift([0.8, 0.8], 0.1).status == "insufficient_baseline"
    assert not drift([0.8, 0.8], 0.1).alert
    assert drift([], 0.1).delta is None


def test_one_outlier_in_the_baseline_does_not_hide_the_next():
    baseline = [0.79, 0.8, 0.81, 0.8, 0.78, 0.82, 0.8, 0.79, 9.0]
    found = drift(baseline, 0.5)
    assert abs(found.z) < 3 < abs(found.mad_z)
    assert found.alert


def test_a_baseline_without_spread_and_the_window():
    assert drift([1.0] * 9, 0.5).alert
    assert not drift([1.0] * 9, 1.0).alert
    assert drift([0.0] * 50 + [1.0, 1.1] * 25, 1.05).samples == 50
