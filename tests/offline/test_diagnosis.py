"""The embedded analyst of sessions: what it sees in two digests, and what it says when it sees nothing."""

import json

from offline.diagnosis import UNSEEN, root_cause, shared_cause, suggested
from sessions.digest import session_digest
from sessions.record import Outcome, Session, Step


def shown(*tools, success=False, errors=()):
    steps = tuple(Step("tool", tool=tool, arguments=arguments) for tool, arguments in tools)
    outcome = Outcome.SUCCESS if success else Outcome.AGENT_FAILURE
    return session_digest(Session("s", outcome=outcome, errors=errors, trajectory=steps), "offline", 9_000)


def test_what_a_solved_session_did_before_and_this_one_did_not():
    failed, solved = shown(("open", ""), ("ship", "")), shown(("open", ""), ("weigh", ""), ("ship", ""), success=True)
    assert root_cause({"session": failed, "solved": solved}) == {
        "evidence": ["action 2 is ship; weigh comes nowhere before it"],
        "root_cause": "ship without weigh before it, which the session that solved the task did.",
    }
    assert root_cause({"session": failed, "solved": "none"})["root_cause"] == UNSEEN
    assert root_cause({"session": "no digest at all", "solved": "[]"})["root_cause"] == UNSEEN


def test_a_call_that_is_repeated_and_an_error():
    again = root_cause({"session": shown(*[("list", "{}")] * 4), "solved": "none"})
    assert again["root_cause"].startswith("list was called with the same call again and again")
    assert root_cause({"session": shown(("list", ""), errors=("no such order",)), "solved": "none"}) == {
        "evidence": ["the session: no such order"], "root_cause": "It ended with the error: no such order",
    }  # fmt: skip


def test_causes_are_counted_and_gaps_become_rules_unless_one_is_in_force():
    gap = "ship without weigh before it, which the session that solved the task did."
    pattern = "ship without weigh before it: 9 of 10 fail, +0.60 within tasks, p 0.001"
    given = {
        "causes": json.dumps([gap, UNSEEN, gap]),
        "patterns": json.dumps([pattern, "tool pack failed: 3 of 4 fail"]),
    }
    assert shared_cause(given) == f"ship without weigh before it: 2 of 2 causes. Among all sessions: {pattern}."
    asked = {**given, "most": "3", "guidelines": "[]"}
    rules = [one["guideline"] for one in suggested(asked)]
    assert rules == ["Call weigh before ship.", "Check the arguments of pack before you call it."]
    assert [one["guideline"] for one in suggested({**asked, "guidelines": json.dumps(rules[:1])})] == rules[1:]
    assert suggested({"causes": json.dumps([UNSEEN]), "patterns": "[]", "most": "3"}) == []
