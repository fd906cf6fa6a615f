"""What entries change over stored sessions, from the command line."""

import json

import pytest

from core.workspace import Workspace
from sessions.record import Outcome, Session, Step
from sessions.store import open_sessions
from tests.playbook.test_commands import GOOD, asked

ASKED = Step("user", "please check logs")


def session(number, task, won, *steps, learning="default"):
    return Session(
        f"s{number}", task=task, success=won, outcome=Outcome.SUCCESS if won else Outcome.AGENT_FAILURE,
        input_tokens=150 if steps else 210, tags={"learning_key": learning}, trajectory=steps or (Step("user", "hi"),),
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    followed = (ASKED, Step("assistant", tool="logs.search"))
    with open_sessions(Workspace(tmp_path)) as store:
        store.append([session(n, f"t{n % 3}", True, *followed) for n in range(6)])
        store.append([session(n, f"t{n % 3}", n % 2 == 0) for n in range(6, 12)])
        store.append([session(99, "other", False, ASKED, learning="other")])
    unasked = {**GOOD, "cue": {"type": "keyword", "pattern": "rare"}}
    never = {"cue": {"type": "keyword", "pattern": "never"}, "action": {"imperative": "Wait.", "handle": "clock.wait"}}
    (tmp_path / "entries.json").write_text(json.dumps([never, unasked, GOOD]))
    asked(tmp_path, "propose", tmp_path / "entries.json")
    return tmp_path


def test_a_review_says_what_goes_with_an_entry_and_prunes_what_never_fires(workspace):
    found = asked(workspace, "review", "--where", "tags.learning_key=default")
    first, second, third = found["playbook_impact"]

    assert (first["sessions"], first["hits"], first["adoption_rate"], first["reward_delta"]) == (12, 6, 1.0, 0.5)
    assert (first["token_delta"], first["impact"], first["transfer_level"]) == (-60, 0.5, "domain")
    assert first["matched"]["tasks"] == 3
    assert (second["hits"], second["fired"], second["impact"], second["prune"]) == (0, 6, None, "")
    assert (third["fired"], third["prune"]) == (0, "too_specific")
    assert asked(workspace, "review")["playbook_impact"][0]["sessions"] == 13

    asked(workspace, "review", "--prune")
    assert third["entry_id"] not in [entry["id"] for entry in asked(workspace, "list")["entries"]]
    assert asked(workspace, "show", third["entry_id"])["history"][-1]["why"] == "too_specific"


def test_the_learning_block_says_whether_use_is_counted_and_entries_are_told(workspace):
    config = workspace / "learning.yaml"
    config.write_text("learning: {usage_tracking: {enabled: false}, apply_to_prompts: false}", "utf-8")
    assert asked(workspace, "review")["playbook_impact"] != []
    assert asked(workspace, "review", "--config", config)["playbook_impact"] == []
    assert asked(workspace, "inject")["text"]
    assert asked(workspace, "inject", "--config", config, code=1)["text"] == ""
    config.write_text("learning: {usage_tracking: {capture_examples: false}}", "utf-8")
    asked(workspace, "review", "--config", config, "--record")
    with open_sessions(Workspace(workspace)) as store:
        uses = [use for one in store.sessions() for use in one.metadata["learning_usage"]["session"]["uses"]]
    assert any(use["hits"] for use in uses)
    assert not any(use["snippets"] for use in uses)
