"""Failed sessions before a model: who is looked at, what it may cost, and that nothing is paid twice."""

import json

import pytest

from commands.flags import Chosen, SessionPlace, Starting
from commands.sessions.explain import command as explain
from core.errors import BudgetError, UsageError
from core.workspace import HOME, Workspace
from experiments.diagnosis import about_failures, about_session, diagnose
from sessions.record import Outcome, Session, Step
from tasks.open_run import RunOptions, open_store
from tracking.events import EventKind

QUIET = RunOptions(track=False)


def session(name, task, success, *tools):
    return Session(
        name, task=task, success=success, outcome=Outcome.of(success),
        trajectory=tuple(Step("tool", tool=tool) for tool in tools),
    )  # fmt: skip


@pytest.fixture
def sessions():
    """Ten tasks; who does not weigh before shipping fails."""
    return [
        made
        for n in range(10)
        for made in (
            session(f"good{n}", f"t{n}", True, "weigh", "ship", "report"),
            session(f"bad{n}", f"t{n}", False, "ship", "report"),
        )
    ]


@pytest.fixture
def place(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_bytes((HOME / "configs" / "models.yaml").read_bytes())
    return Workspace(tmp_path)


def test_failures_are_explained_beside_solved_ones_and_a_guideline_is_suggested(place, sessions):
    question = about_failures(sessions, suggestions=2)
    assert [(bad.id, good.id) for bad, good in question.looked_at] == [(f"bad{n}", f"good{n}") for n in range(5)]
    assert question.patterns[0].startswith("ship without weigh before it: 10 of 10 fail, +1.00 within tasks")
    found = diagnose(place, question, None, QUIET)
    assert found.shared_cause.startswith("ship without weigh before it: 5 of 5 causes")
    assert found.suggestions[0].guideline == "Call weigh before ship."
    assert (found.failures, found.offline, found.model) == (10, True, "offline/large")
    store = open_store(place)
    plan = json.loads(store.last(found.run_id, EventKind.FORECAST).payload)
    assert plan["calls"]["expected"] == 7
    assert store.run(found.run_id).state == "finished"
    store.close()


def test_a_cap_ends_it_in_order_and_the_same_question_goes_on(place, sessions):
    question = about_failures(sessions, suggestions=2)
    with pytest.raises(BudgetError):
        diagnose(place, question, None, QUIET, {"run.max_calls": 4})
    found = diagnose(place, question, None, QUIET)
    store = open_store(place)
    assert [run.run_id for run in store.runs(kinds=("analysis",))] == [found.run_id]
    store.close()
    again = diagnose(place, question, None, QUIET)
    assert again.cost_usd == 0.0
    assert again.causes == found.causes


def test_the_command_explains_one_session_or_those_that_share_a_condition(place, sessions, monkeypatch):
    monkeypatch.setenv("PROVEN_MLFLOW", "later")
    where = SessionPlace(workspace=str(place.root))
    with where.open() as store:
        store.append(sessions)
    one = explain(where, Chosen(), Starting(), session="bad3")
    assert one.body["causes"][0] | {"evidence": None} == {
        "session": "bad3", "solved": "good3", "error": "", "evidence": None,
        "cause": "ship without weigh before it, which the session that solved the task did.",
    }  # fmt: skip
    assert "the embedded stand-in and no language model" in one.text
    assert explain(where, Chosen(), Starting(), cluster="ship without weigh").body["failures"] == 10
    with pytest.raises(UsageError, match="received an id and --cluster"):
        explain(where, Chosen(), Starting(), session="bad3", cluster="ship")
    with pytest.raises(BudgetError):
        explain(where, Chosen(), Starting(max_calls=1), cluster="ship without weigh", model="offline/small")


def test_only_failures_of_the_agent_have_a_cause_and_unknown_words_say_what_there_is(sessions):
    with pytest.raises(UsageError, match="ended as success; only a failure of the agent"):
        about_session(sessions[0], [])
    with pytest.raises(UsageError, match="the agent failed in none"):
        about_failures([s for s in sessions if s.success])
    with pytest.raises(UsageError, match=r"no failed session meets .*found by mining: ship without weigh"):
        about_failures(sessions, "weather")
    assert about_failures(sessions, "SHIP without weigh").failures == 10
    assert about_session(sessions[1], sessions).looked_at[0][1].id == "good0"
