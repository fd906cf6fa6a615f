"""Layouts that are known: each is told by its content, and its sessions say what the log says and no more."""

import json
from pathlib import Path

import pytest

from commands.flags import SessionPlace
from commands.sessions.import_ import command as import_command
from core.errors import UsageError
from core.evaluation import Evaluation, RowResult, RowStatus, Usage
from core.optimization import RunStart, SplitInfo
from core.plain import to_json
from core.workspace import HOME
from sessions.importing import How, import_sessions
from sessions.layouts import LAYOUTS
from sessions.record import Outcome, Step
from sessions.store import SessionStore
from tracking.events import EventKind
from tracking.store import Store


@pytest.fixture
def bring(tmp_path):
    """The sessions of some files, by id, and what the import says of them."""
    folder = tmp_path / "logs"

    def bringing(**files):
        for name, content in files.items():
            path = folder / name.replace("__", "/").replace("_jsonl", ".jsonl").replace("_json", ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = "\n".join(json.dumps(row) for row in content) if path.suffix == ".jsonl" else json.dumps(content)
            path.write_text(lines, "utf-8")
        with SessionStore(f"sqlite:///{tmp_path / 's.db'}") as store:
            done = import_sessions(store, str(folder), Path.cwd(), How())
            return done, {session.id: session for session in store.sessions(trajectories=True)}

    return bringing


def test_every_layout_has_a_name_and_a_summary():
    for layout in LAYOUTS:
        assert layout.summary
        assert not layout.recognises({"whatever": 1})
        assert not layout.recognises([])
    with pytest.raises(UsageError, match="did you mean 'codex'"):
        LAYOUTS.get("codec")


def test_claude_code(bring):
    def answer(number, second, content):
        usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 7}
        message = {"id": f"m{number}", "model": "claude-x", "content": [content], "usage": usage}
        stamp = f"2026-11-01T10:00:{second:02}Z"
        return {"type": "assistant", "uuid": f"a{second}", "sessionId": "s1", "timestamp": stamp, "message": message}

    call = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "ls"}}
    failed = {"type": "tool_result", "tool_use_id": "c1", "content": "no such folder", "is_error": True}
    done, found = bring(
        a_jsonl=[
            {"type": "user", "uuid": "u", "sessionId": "s1", "timestamp": "2026-11-01T10:00:00Z",
             "message": {"content": "list it"}},
            answer(1, 5, {"type": "text", "text": "I look."}),
            answer(1, 6, call),
            {"type": "user", "uuid": "r", "timestamp": "2026-11-01T10:00:07Z", "message": {"content": [failed]}},
            answer(2, 9, {"type": "text", "text": "It is not there."}),
        ]
    )  # fmt: skip
    session = found["s1"]
    assert done.layouts == {"claude-code": 1}
    assert (session.model, session.outcome, session.latency_s) == ("claude-x", Outcome.UNKNOWN, 9.0)
    assert (session.input_tokens, session.cached_tokens, session.output_tokens) == (200, 180, 14)
    assert session.trajectory[2] == Step(
        "tool", tool="Bash", arguments="$ ls", result="error: no such folder", error="error: no such folder"
    )


def test_codex(bring):
    total = {"input_tokens": 50, "cached_input_tokens": 20, "output_tokens": 9, "reasoning_output_tokens": 4}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    done, found = bring(
        r_jsonl=[
            {"type": "session_meta", "timestamp": "2026-11-01T10:00:00Z", "payload": {"id": "c1"}},
            {"type": "turn_context", "timestamp": "2026-11-01T10:00:01Z", "payload": {"model": "gpt-x"}},
            {"type": "response_item", "timestamp": "2026-11-01T10:00:02Z", "payload": said},
            {"type": "event_msg", "timestamp": "2026-11-01T10:00:04Z",
             "payload": {"type": "token_count", "info": {"total_token_usage": total}}},
        ]
    )  # fmt: skip
    session = found["c1"]
    assert done.layouts == {"codex": 1}
    assert (session.model, session.tokens, session.reasoning_tokens, session.latency_s) == ("gpt-x", 59, 4, 4.0)


def test_mlflow_traces_of_one_session_are_one(bring):
    def trace(name, at, state):
        about = {"mlflow.trace.session": "s1", "mlflow.trace.tokenUsage": '{"input_tokens": 5, "output_tokens": 2}'}
        info = {"trace_id": name, "request_time": at, "execution_duration": 1500, "state": state}
        span = {
            "span_id": "x",
            "attributes": {"mlflow.spanInputs": '{"question": "why?"}', "mlflow.spanOutputs": '"so"'},
        }
        return {"info": {**info, "trace_metadata": about}, "data": {"spans": [span]}}

    done, found = bring(
        t_jsonl=[trace("t2", "2026-11-01T10:05:00Z", "ERROR"), trace("t1", "2026-11-01T10:00:00Z", "OK")]
    )
    session = found["s1"]
    assert done.layouts == {"mlflow": 1}
    assert (session.tokens, session.latency_s, session.started_at) == (14, 3.0, "2026-11-01T10:00:00+00:00")
    assert session.errors == ("1 of 2 traces ended in an error",)


def test_spans_of_opentelemetry_count_the_calls_of_models_once(bring):
    def span(name, start, status=None, **attributes):
        listed = [
            {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
            for key, value in {("gen_ai." + key.replace("__", ".")): value for key, value in attributes.items()}.items()
        ]
        nano = 1_767_225_600_000_000_000
        return {"traceId": "t1", "name": name, "startTimeUnixNano": str(nano + start), "attributes": listed,
                "endTimeUnixNano": str(nano + start + 1_000_000_000), "status": status or {}}  # fmt: skip

    usage = {"usage__input_tokens": 30, "usage__output_tokens": 6}
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "I buy it"}]}])
    spans = [
        span("tool", 2_000_000_000, {"code": 2, "message": "sold out"}, operation__name="execute_tool",
             tool__name="shop.buy", tool__call__arguments="{}"),
        span("agent", 0, operation__name="invoke_agent", agent__name="shopper", **usage),
        span("chat", 1_000_000_000, operation__name="chat", request__model="m", output__messages=said, **usage),
    ]  # fmt: skip
    done, found = bring(spans_json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    session = found["t1"]
    assert done.layouts == {"otel": 1}
    assert (session.model, session.experiment, session.input_tokens, session.output_tokens) == ("m", "shopper", 30, 6)
    assert (session.started_at, session.latency_s) == ("2026-01-01T00:00:00+00:00", 3.0)
    assert session.trajectory == (
        Step("assistant", "I buy it"),
        Step("tool", tool="shop.buy", arguments="{}", error="sold out"),
    )
    assert session.outcome is Outcome.UNKNOWN


def test_tau_bench(bring):
    traj = [{"role": "user", "content": "cancel it"}, {"role": "assistant", "content": "done"}]
    rows = [
        {"task_id": 3, "reward": 1.0, "info": {"user_cost": 0.01}, "traj": traj, "trial": 1},
        {"task_id": 3, "reward": 0.0, "info": {"error": "litellm.RateLimitError: wait"}, "traj": [], "trial": 2},
        {"task_id": 3, "reward": 0.0, "info": {}, "traj": traj, "trial": 3},
    ]
    done, found = bring(air_json=rows)
    assert done.layouts == {"tau-bench": 3}
    assert [found[f"air/3/{trial}"].outcome for trial in (1, 2, 3)] == [
        Outcome.SUCCESS, Outcome.INFRASTRUCTURE, Outcome.AGENT_FAILURE,
    ]  # fmt: skip
    assert found["air/3/1"].trajectory == (Step("user", "cancel it"), Step("assistant", "done"))


def test_tau2_bench_tells_a_broken_harness_from_an_agent_that_fails(bring):
    def simulation(name, reward, why):
        return {
            "id": name,
            "task_id": "1",
            "trial": 0,
            "reward_info": reward,
            "termination_reason": why,
            "messages": [],
        }

    document = {
        "info": {"agent_info": {"llm": "m"}},
        "simulations": [
            simulation("a", {"reward": 1.0}, "user_stop"),
            simulation("b", {"reward": 0.0}, "max_steps"),
            simulation("c", None, "infrastructure_error"),
        ],
    }
    done, found = bring(t_json=document)
    assert [found[name].outcome.value for name in "abc"] == ["success", "agent_failure", "infrastructure"]
    assert (done.problems, found["a"].model) == ([], "m")


def test_a_report_of_swe_bench_is_held_against_its_own_count(bring):
    report = {"resolved_ids": ["x-1"], "unresolved_ids": ["x-2"], "error_ids": ["x-3"], "empty_patch_ids": ["x-4"]}
    done, found = bring(a_json={**report, "resolved_instances": 1}, b_json={**report, "resolved_instances": 2})
    assert [found[f"a/x-{n}"].outcome.value for n in (1, 2, 3, 4)] == [
        "success", "agent_failure", "infrastructure", "agent_failure",
    ]  # fmt: skip
    assert done.agreed == 1
    assert [str(each) for each in done.contradictions] == ["successes: published 2, the 4 sessions give 1"]
    assert "contradicted" in found["b/x-1"].tags
    assert "contradicted" not in found["a/x-1"].tags


def test_reports_of_single_instances_of_swe_bench_keep_models_apart(bring):
    resolved = {"x-1": {"resolved": True, "patch_exists": True}}
    failed = {"x-1": {"resolved": False, "patch_exists": True}}
    _, found = bring(m1__x__report_json=resolved, m2__x__report_json=failed)
    assert {name: session.success for name, session in found.items()} == {
        "m1/x/report/x-1": True, "m2/x/report/x-1": False,
    }  # fmt: skip


def test_erc3(bring):
    tasks = [
        {"task_id": "t1", "spec_id": "gpu_race", "score": 1, "steps": [{"tool": "basket.add", "args": {"n": 1}}]},
        {"task_id": "t2", "spec_id": "coupon", "score": 0, "error": "HTTP 502 from the provider"},
        {"task_id": "t3", "spec_id": "coupon"},
    ]
    done, found = bring(e_json={"session_id": "s", "benchmark": "store", "model": "m", "tasks": tasks})
    assert done.layouts == {"erc3": 3}
    assert [(s.task_code, s.outcome.value) for s in found.values()] == [
        ("gpu_race", "success"), ("coupon", "infrastructure"), ("coupon", "unknown"),
    ]  # fmt: skip
    assert found["s/t1"].trajectory == (Step("tool", tool="basket.add", arguments='{"n": 1}'),)


def test_an_evaluation_of_our_own(bring):
    rows = (
        RowResult("r1", RowStatus.OK, 1.0, latency=2.5, worth=Usage(input_tokens=9, output_tokens=2)),
        RowResult("r2", RowStatus.OK, 0.0),
        RowResult("r3", RowStatus.OK, 0.4),
        RowResult("r4", RowStatus.LM_ERROR, error="HTTP 500"),
        RowResult("r5", RowStatus.PARSE_ERROR, error="no JSON"),
    )
    done, found = bring(e_json=json.loads(to_json(Evaluation("dev", "p1", rows))))
    assert done.problems == []
    assert [found[f"p1/dev/r{n}"].outcome.value for n in range(1, 6)] == [
        "success", "agent_failure", "unknown", "infrastructure", "agent_failure",
    ]  # fmt: skip
    assert (found["p1/dev/r1"].tokens, found["p1/dev/r1"].latency_s, found["p1/dev/r3"].score) == (11, 2.5, 0.4)


def test_evaluations_of_a_recorded_run_become_sessions(tmp_path):
    (tmp_path / "configs").mkdir()
    store = Store(tmp_path / "mlruns" / "proven.db")
    splits = SplitInfo(1, 1, 1, "f", "h")
    store.start_run(RunStart("t-eval-1", "t", "cmd", "2026-01-01", {"student": "small"}, {}, splits, {}, kind="eval"))
    rows = (RowResult("r1", RowStatus.OK, 1.0), RowResult("r2", RowStatus.LM_ERROR, error="HTTP 500"))
    store.append("t-eval-1", EventKind.EVALUATION, to_json(Evaluation("dev", "p1", rows)))
    store.start_run(RunStart("t-gate-1", "t", "cmd", "2026-01-01", {}, {}, splits, {}, kind="gate"))
    store.close()
    place = SessionPlace(workspace=str(tmp_path))
    assert import_command("run:t-eval", place).body["outcomes"] == {"success": 1, "infrastructure": 1}
    assert import_command("run:t-eval", place).body["same"] == 2
    with place.open() as sessions:
        [one, _] = sessions.sessions()
    assert (one.id, one.experiment, one.model, one.task_code) == ("t-eval-1/p1/dev/r1", "t-eval-1", "small", "t")
    with pytest.raises(UsageError, match=r"t-gate-1 \(gate\) has no evaluation"):
        import_command("run:t-gate", place)


def test_the_mappings_that_ship_can_be_read():
    from sessions.layouts.mapping import read_mapping

    paths = sorted((HOME / "configs" / "sessions").glob("*.yaml"))
    assert len(paths) >= 3
    for path in paths:
        assert read_mapping(path).fields
