"""Proposing playbook entries: the metric, what a model is shown, and the embedded model's lessons."""

import json

import pytest

from core.errors import BudgetError, UsageError
from core.workspace import HOME, Workspace
from data.corpus import Row
from experiments.synthesis import Material, material, synthesis_rows, synthesise
from programs.synthesis import EntryQuality, entries_of
from sessions.record import Outcome, Session, Step
from tasks.open_run import RunOptions

QUIET = RunOptions(track=False)
ENTRY = {
    "cue": {"type": "regex", "pattern": "parcel"},
    "action": {"imperative": "Call weigh before ship", "runtime_handle": "weigh"},
    "expected_effect": "", "scope": {"category": "reinforcement", "constraints": ""},
}  # fmt: skip


def session(name, task, success, asked, *tools, **metadata):
    steps = (Step("user", asked), *(Step("tool", tool=tool) for tool in tools))
    return Session(name, task=task, success=success, outcome=Outcome.of(success), trajectory=steps, metadata=metadata)


@pytest.fixture
def sessions():
    """Parcels have to be weighed before they are shipped; letters need nothing."""
    return [
        made
        for n in range(4)
        for made in (
            session(f"good{n}", f"t{n}", True, "send this parcel abroad", "weigh", "ship", "report"),
            session(f"bad{n}", f"t{n}", False, "send this parcel abroad", "ship", "report", teacher_guidance="Weigh!"),
            session(f"letter{n}", f"l{n}", True, "send this letter abroad", "report"),
        )
    ]


@pytest.fixture
def place(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_bytes((HOME / "configs" / "models.yaml").read_bytes())
    return Workspace(tmp_path)


def given(sessions, **more):
    lessons, handles = material(sessions, most=3, history=6)
    return Material(lessons, (), handles, **more)


def test_failures_are_learned_from_beside_sessions_of_the_same_task(sessions):
    lessons, handles = material(sessions, most=3, history=2)
    assert [lesson.session.id for lesson in lessons] == ["bad0", "bad1", "bad2"]
    assert [one.id for one in lessons[0].history] == ["good0", "letter3"]
    assert handles == ("report", "ship", "weigh")
    with pytest.raises(UsageError, match="the agent failed in none"):
        material([one for one in sessions if one.success], most=3, history=2)


def test_of_a_history_the_newest_are_kept():
    bad = session("bad", "t", False, "x", "ship")
    lessons, _ = material([*(session(f"{n}", "t", True, "x", "ship") for n in (1, 2, 3)), bad], most=1, history=2)
    assert [one.id for one in lessons[0].history] == ["3", "2"]


def test_the_embedded_model_learns_what_a_solved_session_did_and_which_requests_it_is_about(place, sessions):
    done = synthesise(place, given(sessions), None, QUIET)
    assert (len(done.proposals), done.offline) == (3, True)
    (entry,) = entries_of({"playbook_entries": done.proposals[0].entries})
    assert (entry.cue.pattern, entry.action.imperative, entry.action.handle) == (
        r"\bparcel", "Call weigh before ship", "weigh",
    )  # fmt: skip
    assert done.proposals[0].note.startswith("Student: ship without weigh before it")
    assert done.proposals[0].note.endswith("Teacher: Weigh!")


def test_a_cap_ends_it_in_order_and_what_was_answered_is_not_asked_again(place, sessions):
    with pytest.raises(BudgetError):
        synthesise(place, given(sessions), None, QUIET, {"run.max_calls": 1})
    assert len(synthesise(place, given(sessions), None, QUIET).proposals) == 3


def test_digests_share_the_budget_of_the_provider(place, sessions):
    long = [
        session(f"bad{n}", "t", False, "x" * 50_000, *["ship"] * 300) if n else session("good", "t", True, "y", "weigh")
        for n in range(4)
    ]
    (line,) = synthesis_rows(place, given(long[:2]), None)
    shown = json.loads(line)["input"]
    assert len(shown["latest_session"]) + sum(map(len, shown["history"])) <= 20_000
    assert '"digest_stats"' in shown["latest_session"]


def judged(*entries, measured=()):
    row = Row("r", {"handles": ["weigh", "ship"]}, {"measured": list(measured)})
    return EntryQuality().judge(row, {"playbook_entries": list(entries)})


def test_an_entry_is_worth_its_rubric_and_what_was_measured_and_nothing_where_a_gate_fails():
    assert judged(ENTRY).score == pytest.approx(0.8 + 0.2 * 0.5)
    assert judged(ENTRY, measured=[{"handle": "weigh", "impact": 0.3}]).score == pytest.approx(0.8 + 0.2 * 0.8)
    assert judged(ENTRY, measured=[{"handle": "weigh", "impact": -0.9}]).score == pytest.approx(0.8)
    dated = {**ENTRY, "expected_effect": "as on 2026-03-01"}
    assert judged(dated).score == 0.0
    assert judged(ENTRY, dated).score == pytest.approx(0.45)
    assert judged(ENTRY, "nonsense").score == pytest.approx(0.45)
    assert judged().score == 0.0
    assert "generality" in judged(dated).feedback
