"""Why sessions fail, asked of a model behind a provider: real HTTP, faults that pass, answers that cannot be read."""

import json

import pytest

from core.workspace import Workspace
from sessions.record import Outcome, Session, Step
from sessions.store import open_sessions
from tests.journeys.commands import run
from tests.notes import notes
from tests.provider import Provider, chaos, serving

WORDS = ("sessions", "suggest", "--model", "mind", "--most", "2", "--yes", "--json")


def session(name, task, success, *tools):
    steps = tuple(Step("tool", tool=tool) for tool in tools)
    return Session(name, task=task, success=success, outcome=Outcome.of(success), trajectory=steps)


def workspace(root, url):
    """Ten tasks; who does not weigh before shipping fails."""
    root.mkdir()
    notes(root, url)
    with open_sessions(Workspace(root)) as store:
        for n in range(10):
            store.append(
                [session(f"good{n}", f"t{n}", True, "weigh", "ship"), session(f"bad{n}", f"t{n}", False, "ship")]
            )
    return root


def told(found):
    return found["shared_cause"], [one["guideline"] for one in found["suggestions"]]


def test_faults_that_pass_change_neither_cause_nor_suggestion_and_nothing_is_answered_twice(tmp_path):
    with serving(Provider()) as provider:
        calm = json.loads(run(*WORDS, workspace=workspace(tmp_path / "calm", provider.url))[1])
        asked = provider.answered.total()
    kinds = ("429", "500", "503", "reset", "no choices", "wrong type", "empty")
    with serving(Provider(fault=chaos(0.6, seed=3, kinds=kinds, most=2))) as provider:
        rough = json.loads(run(*WORDS, workspace=workspace(tmp_path / "rough", provider.url))[1])
        assert provider.faults.total() > 3
        assert (provider.repeated, provider.answered.total()) == (0, asked)
    assert told(rough) == told(calm)
    assert calm["suggestions"][0]["guideline"] == "Call weigh before ship."
    assert (calm["model"], calm["offline"]) == ("mind", False)


def test_answers_that_cannot_be_read_end_by_name(tmp_path):
    with serving(Provider(canned=True)) as provider:
        code, out, err = run(*WORDS, workspace=workspace(tmp_path / "canned", provider.url), check=False)
    assert code == 69
    assert "mind" in err
    assert json.loads(out)["error"] == "ModelError"


@pytest.mark.parametrize("status", [401, 404])
def test_a_provider_that_refuses_is_named_and_asked_no_further(tmp_path, status):
    refusal = (status, {}, b'{"error": {"message": "no such key"}}')
    with serving(Provider(fault=lambda *_: refusal)) as provider:
        code, _, err = run(*WORDS, workspace=workspace(tmp_path / "refused", provider.url), check=False)
        assert len(provider.seen) < 20
    assert code == 69
    assert "no such key" in err
