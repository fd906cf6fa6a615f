"""Export for training pipelines: what is approved, as records with rewards and typed events."""

import json

from core.workspace import Workspace
from sessions.record import Outcome, Session, Step
from sessions.store import open_sessions
from tests.journeys.commands import run

STEPS = (Step("user", "hi"), Step("assistant", tool="logs.search", result="found"), Step("tool", error="gone"))


def session(name, **tags):
    return Session(
        name, task="t", success=False, outcome=Outcome.AGENT_FAILURE, input_tokens=7, trajectory=STEPS,
        tags={"learning_key": "k", "execution_mode": "coach", **tags},
        metadata={"adaptive_summary": {"probe": "weak"}, "reward_audit": [{"judge": 1}],
                  "reward_stats": {"score": 0.4, "uncertainty": 0.1}},
    )  # fmt: skip


def exported(folder, *words):
    out = folder / "out.traces.jsonl"
    code, said, _ = run("sessions", "export", "--output", out, "--force", *words, workspace=folder, check=False)
    return code, said, [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else []


def test_what_reviewers_have_not_approved_stays_out_unless_it_is_asked_for(tmp_path):
    with open_sessions(Workspace(tmp_path)) as store:
        store.append([session("waiting", review_status="pending")])
        code, said, found = exported(tmp_path)
        assert (code, found) == (1, [])
        assert "1 are not approved; add --include-status pending" in said
        store.append(
            [session("good", review_status="approved"), session("unsaid"), session("bad", review_status="rejected")]
        )

    def names(*words):
        return [one["session_id"] for one in exported(tmp_path, *words)[2]]

    assert names() == ["good", "unsaid"]
    assert names("--include-status", "pending") == ["waiting", "good", "unsaid"]
    assert names("--include-status", "pending", "--include-status", "rejected", "--limit", "2") == ["unsaid", "bad"]

    assert exported(tmp_path, "--include-status", "sucess")[0] == 64

    (record,) = exported(tmp_path, "--where", "id=good", "--trajectory-event-limit", "2")[2]
    assert (record["learning_key"], record["execution_mode"]) == ("k", "coach")
    assert record["session_metadata"]["adaptive_summary"] == {"execution_mode": "coach", "probe": "weak"}
    assert record["reward_audit"] == [{"judge": 1}]
    assert record["session_reward"] == {"score": 0.4, "uncertainty": 0.1}
    assert [(one["event_type"], one["actor"]) for one in record["trajectory_events"]] == [
        ("message", "user"), ("error", "tool"),
    ]  # fmt: skip
    assert record["session_metadata"]["trajectory_steps_left_out"] == 1
