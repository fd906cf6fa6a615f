"""The commands, end to end: lessons are proposed, judged, shown, told to agents and retired."""

import json

import pytest

from tests.journeys.commands import run

GOOD = {
    "cue": {"type": "keyword", "pattern": "check logs"},
    "action": {"imperative": "Search the logs before you answer.", "handle": "logs.search"},
    "expected_effect": "Finds the cause sooner.",
}
LONG = {**GOOD, "cue": {"type": "regex", "pattern": "slow quer(y|ies)"}}
BAD = {**GOOD, "action": {"imperative": "Call Globex.", "handle": "shell.run"}}


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "entries.json").write_text(json.dumps([GOOD, BAD, LONG]), "utf-8")
    (tmp_path / "learning.yaml").write_text("learning: {schema: {allowed_runtime_handles: ['logs.*']}}", "utf-8")
    return tmp_path


def asked(workspace, *words, code=0):
    found, out, _ = run("playbook", *words, "--json", workspace=workspace, check=False)
    assert found == code, out
    return json.loads(out)


def test_a_playbook_from_proposal_to_retirement(workspace):
    proposed = asked(
        workspace, "propose", workspace / "entries.json", "--config", workspace / "learning.yaml", "--session", "s1"
    )
    assert [entry["accepted"] for entry in proposed["entries"]] == [True, False, True]
    assert [round(entry["total"], 2) for entry in proposed["entries"]] == [0.88, 0.18, 1.0]

    listed = asked(workspace, "list")
    assert [entry["cue"]["pattern"] for entry in listed["entries"]] == ["check logs", "slow quer(y|ies)"]
    assert len(asked(workspace, "list", "--all")["entries"]) == 3

    name = proposed["entries"][0]["id"]
    told = asked(workspace, "inject")
    assert told["entries"] == [name, proposed["entries"][2]["id"]]
    assert "When you meet 'check logs': Search the logs before you answer; use logs.search" in told["text"]
    short = asked(workspace, "inject", "--chars", "150")
    assert (short["entries"], short["left_out"]) == ([name], [proposed["entries"][2]["id"]])

    assert asked(workspace, "retire", name, "--why", "the tool is gone")["retired"] is True
    assert asked(workspace, "retire", name)["retired"] is False
    shown = asked(workspace, "show", name)
    assert [step["why"] for step in shown["history"]] == ["passed the gates", "the tool is gone"]
    assert shown["provenance"]["session_id"] == "s1"


def test_nothing_to_tell_is_exit_1_and_a_dry_run_records_nothing(workspace):
    asked(workspace, "propose", workspace / "entries.json", "--dry-run")
    assert asked(workspace, "list")["version"] == 0
    assert asked(workspace, "inject", code=1)["text"] == ""


def test_entries_left_out_are_kept_unless_they_are_to_be_replaced(workspace):
    asked(workspace, "propose", workspace / "entries.json")
    (workspace / "one.yaml").write_text(json.dumps(LONG), "utf-8")
    asked(workspace, "propose", workspace / "one.yaml")
    assert len(asked(workspace, "list")["entries"]) == 2
    asked(workspace, "propose", workspace / "one.yaml", "--replaces")
    assert [entry["cue"]["type"] for entry in asked(workspace, "list")["entries"]] == ["regex"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [("[1]", 65, "entry 1: int where an object is needed"), ("a: [", 65, "cannot be read")],
)
def test_what_is_no_entry_is_named(workspace, text, code, said):
    (workspace / "wrong.yaml").write_text(text, "utf-8")
    found, _, err = run("playbook", "propose", workspace / "wrong.yaml", workspace=workspace, check=False)
    assert found == code
    assert said in err


def test_mistakes_in_the_learning_block_are_named_by_key(workspace):
    (workspace / "learning.yaml").write_text("learning: {gates: {max_text_length: 0, typo: 1}}", "utf-8")
    found, _, err = run(
        "playbook", "propose", workspace / "entries.json", "--config", workspace / "learning.yaml",
        workspace=workspace, check=False,
    )  # fmt: skip
    assert found == 78
    assert "learning.gates.max_text_length" in err
    assert "learning.gates.typo" in err


def test_secrets_do_not_reach_the_history(workspace):
    (workspace / ".env").write_text("OPENAI_API_KEY=sk-very-secret-value-12345\n", "utf-8")
    leaky = {**LONG, "expected_effect": "works with sk-very-secret-value-12345"}
    (workspace / "one.yaml").write_text(json.dumps(leaky), "utf-8")
    asked(workspace, "propose", workspace / "one.yaml")
    (path,) = (workspace / "mlruns" / "playbooks").glob("*.jsonl")
    assert "very-secret" not in path.read_text("utf-8")
    assert "<OPENAI_API_KEY>" in path.read_text("utf-8")
