"""Logs of agents become sessions: nothing lost, nothing guessed, no failure of a provider counted against the agent."""

import json
from pathlib import Path

import pytest

from core.errors import ConfigError, DataError, UsageError
from core.workspace import HOME
from sessions.exporting import SESSION_FORMATS, cut, plain, write_sessions
from sessions.filters import FilterChain
from sessions.importing import How, import_sessions
from sessions.layouts.mapping import mapping_of, read_mapping
from sessions.record import Outcome, Session, Step
from sessions.store import SessionStore
from tests.sessions.worlds import many

SHARED = HOME.parent / "shared" / "data"


@pytest.fixture
def store(tmp_path):
    with SessionStore(f"sqlite:///{tmp_path / 'sessions.db'}") as opened:
        yield opened


@pytest.fixture
def bring(store, tmp_path):
    """Import a text under a file name, by a mapping as YAML would give it."""

    def bringing(text, mapping=None, name="log.jsonl", **how):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
        read = None if mapping is None else mapping_of(mapping, "mapping.yaml")
        return import_sessions(store, name, tmp_path, How(mapping=read, **how))

    return bringing


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


SIMPLE = {"fields": {"id": "id", "success": "ok", "steps": "n", "errors": "error"}}


# Real logs, one command and a mapping each


def real(name):
    path = SHARED / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the shared file {path.name} is not there")
    return path, [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def shipped(store, path, mapping):
    file = HOME / "configs" / "sessions" / f"{mapping}.yaml"
    return import_sessions(store, str(path), Path.cwd(), How(mapping=read_mapping(file), mapping_path=file))


@pytest.mark.slow
def test_humaneval_agents_give_the_rates_that_were_published(store):
    path, rows = real("humaneval_agents")
    done = shipped(store, path, "humaneval")
    assert (done.read, done.problems, done.contradictions) == (len(rows), [], [])
    expected = {}
    for row in rows:
        solved, n, tokens = expected.get((row["strategy"], row["config"]), (0, 0, 0))
        expected[row["strategy"], row["config"]] = (solved + row["success"], n + 1, tokens + (row.get("tokens") or 0))
    found = {
        totals.group[0]: (totals.successes, totals.decided, totals.sums["tokens"] or 0)
        for totals in store.totals(["config_hash"])
    }
    assert found == {"/".join(key): value for key, value in expected.items()}
    assert done.agreed == len(json.loads(path.with_suffix(".meta.json").read_text())["oracle"])


def test_tau_airline_gives_the_rate_of_its_rows_and_keeps_what_was_said(store):
    path, rows = real("tau_airline_sessions_traindev")
    done = shipped(store, path, "tau_bench")
    assert (done.read, done.added, done.problems) == (len(rows), len(rows), [])
    [totals] = store.totals()
    assert (totals.successes, totals.decided) == (sum(row["reward"] == 1 for row in rows), len(rows))
    row = rows[0]
    session = store.get(row["id"])
    calls = [call for message in row["messages"] for call in message.get("tool_calls") or ()]
    tools = [step for step in session.trajectory if step.tool]
    assert [step.tool for step in tools] == [call["name"] for call in calls]
    results = [message["content"] for message in row["messages"] if message["role"] == "tool"]
    assert [step.result for step in tools] == results


def test_sessions_of_coding_agents_say_nothing_of_success(store):
    path, rows = real("claude_sessions")
    done = shipped(store, path, "coding_agents")
    assert done.sessions == {Outcome.UNKNOWN: len(rows)}
    [totals] = store.totals()
    assert (totals.decided, totals.left_out) == (0, len(rows))
    assert totals.sums["tokens"] == sum(row["approx_tokens"] or 0 for row in rows)
    assert store.get(rows[0]["id"]).trajectory[0].role == "user"


# What logs are like


def test_every_line_is_a_session_or_a_problem_with_its_place(bring, store):
    half = '{"id": "e", "ok": tr'
    text = lines({"id": "a", "ok": True, "n": 3}, {"id": "b", "ok": False}) + "[1, 2\n" + lines({"id": "d"}) + half
    done = bring(text, SIMPLE)
    assert done.sessions == {Outcome.SUCCESS: 1, Outcome.AGENT_FAILURE: 1, Outcome.UNKNOWN: 1}
    assert [problem.split(": ")[0] for problem in done.problems] == ["log.jsonl:3", "log.jsonl:5"]
    assert store.count() == 3


def test_what_was_said_is_read_without_a_mapping_and_its_steps_are_counted(bring, store):
    said = [
        {"role": "user", "content": "Cancel my flight."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "cancel"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "Error: no such flight"},
        {"role": "assistant", "content": "There is none."},
    ]
    row = {"id": "s", "task": "t", "success": False}
    bring(lines({**row, "messages": said}, {**row, "id": "counted", "steps": 9, "traj": said}))
    kept = {session.id: session for session in store.sessions(trajectories=True)}
    assert [(kept[name].steps, len(kept[name].trajectory)) for name in ("s", "counted")] == [(2, 3), (9, 3)]
    assert kept["s"].trajectory[1].error == "Error: no such flight"


def test_a_value_of_a_wrong_kind_leaves_its_field_unknown_and_is_kept(bring, store):
    done = bring(lines({"id": "a", "ok": "maybe", "n": "three"}, {"id": "b", "ok": 1, "n": "4"}), SIMPLE)
    assert done.problems == [
        "log.jsonl:1: success: 'maybe' is neither true nor false; left unknown",
        "log.jsonl:1: steps: 'three' is not a finite number; left unknown",
    ]
    assert store.get("a").outcome is Outcome.UNKNOWN
    assert store.get("a").metadata == {"unreadable": {"success": "maybe", "steps": "three"}}
    assert (store.get("b").success, store.get("b").steps) == (True, 4)


@pytest.mark.parametrize("value", ["NaN", "1e999", "-3", "2.5", "9223372036854775808", "true", "[1]"])
def test_what_is_no_count_is_not_stored_as_one(bring, store, value):
    done = bring(f'{{"id": "a", "ok": true, "n": {value}}}\n', SIMPLE)
    assert len(done.problems) == 1
    assert store.get("a").steps is None


@pytest.mark.parametrize(
    "error",
    ["litellm.RateLimitError: slow down", "HTTP 503 from provider", "overloaded_error", "Error: status code: 529"],
)
def test_an_error_of_the_provider_is_not_the_agents_failure(bring, store, error):
    done = bring(lines({"id": "a", "ok": False, "error": error}, {"id": "b", "ok": True, "error": error}), SIMPLE)
    assert done.sessions == {Outcome.INFRASTRUCTURE: 1, Outcome.SUCCESS: 1}
    [totals] = store.totals()
    assert (totals.successes, totals.decided, totals.left_out) == (1, 1, 1)


def test_an_error_of_the_agent_is_its_own(bring):
    done = bring(lines({"id": "a", "ok": False, "error": "KeyError: 'coupon' at line 503"}), SIMPLE)
    assert done.sessions == {Outcome.AGENT_FAILURE: 1}


def test_patterns_of_a_mapping_replace_those_that_are_shipped(bring):
    rows = lines({"id": "a", "ok": False, "error": "our box fell over"}, {"id": "b", "ok": False, "error": "HTTP 503"})
    done = bring(rows, {**SIMPLE, "infrastructure": ["fell over"]})
    assert done.sessions == {Outcome.INFRASTRUCTURE: 1, Outcome.AGENT_FAILURE: 1}


def test_a_table_says_what_the_words_of_a_log_mean(bring, store):
    table = {"resolved": "success", "failed": "agent_failure", "timeout": "infrastructure"}
    rows = lines(*({"id": word, "status": word} for word in [*table, "odd"]))
    done = bring(rows, {"fields": {"id": "id", "outcome": {"path": "status", "table": table}}})
    assert [store.get(word).success for word in table] == [True, False, None]
    assert done.problems == [
        "log.jsonl:4: outcome: 'odd' is not in the table; it has resolved, failed, timeout; left unknown"
    ]
    assert store.get("odd").outcome is Outcome.UNKNOWN


def test_a_log_that_contradicts_itself_counts_neither_way(bring, store):
    fields = {"id": "id", "success": "ok", "outcome": "status"}
    done = bring(lines({"id": "a", "ok": True, "status": "agent_failure"}), {"fields": fields})
    assert "contradict" in done.problems[0]
    assert (store.get("a").outcome, store.get("a").success) == (Outcome.UNKNOWN, None)


def test_ids_that_come_twice_are_told_apart_by_what_they_hold(bring, store):
    done = bring(lines({"id": "a", "n": 1}, {"id": "b"}, {"id": "a", "n": 1}, {"id": "b", "n": 2}), SIMPLE)
    assert (done.added, done.same) == (2, 1)
    assert done.refused == ["log.jsonl:4: 'b' was there already at log.jsonl:2 with other content, which was kept"]
    again = bring(lines({"id": "a", "n": 1}, {"id": "b", "n": 9}), SIMPLE)
    assert (again.added, again.same) == (0, 1)
    assert again.refused == ["log.jsonl:2: 'b' is in the store with other content, which was kept"]
    assert store.get("b").steps is None
    assert bring(lines({"id": "b", "n": 9}), SIMPLE, replace=True).replaced == ["b"]
    assert store.get("b").steps == 9


def test_sessions_without_an_id_get_one_that_is_the_same_the_next_time(bring, store):
    rows = lines({"ok": True}, {"ok": True}, {"ok": False})
    mapping = {"fields": {"success": "ok"}}
    assert bring(rows, mapping).added == 3
    again = bring(rows, mapping)
    assert (again.added, again.same) == (0, 3)
    assert store.count() == 3


def test_nested_lists_become_a_row_each_with_what_stands_above(bring, store):
    document = {
        "runs": [
            {"model": "m1", "started": 1_767_225_600_000, "tasks": {"t1": {"ok": True}, "t2": {"ok": False}}},
            {"model": "m2", "started": "2026-01-01 00:00:00Z", "tasks": {"t1": {"ok": "yes", "ms": 1500}}},
        ]
    }
    mapping = {
        "rows": "runs.*.tasks.*",
        "fields": {
            "id": {"join": ["^model", "$key"]},
            "model": "^model",
            "task": "$key",
            "success": "ok",
            "started_at": "^started",
            "latency_s": {"path": "ms", "scale": 0.001},
        },
    }
    assert bring(document, mapping, "runs.json").read == 3
    assert {s.id: s.success for s in store.sessions()} == {"m1/t1": True, "m1/t2": False, "m2/t1": True}
    assert {s.started_at for s in store.sessions()} == {"2026-01-01T00:00:00+00:00"}
    assert store.get("m2/t1").latency_s == 1.5


def test_lists_of_ids_become_sessions_by_the_list_that_they_are_in(bring, store):
    report = {"resolved": ["a", "b"], "failed": ["c"], "crashed": ["d"]}
    parts = [
        {"rows": f"{name}.*", "fields": {"outcome": {"const": outcome}}}
        for name, outcome in {"resolved": "success", "failed": "agent_failure", "crashed": "infrastructure"}.items()
    ]
    done = bring(report, {"fields": {"id": ".", "task": "."}, "parts": parts}, "report.json")
    assert done.sessions == {Outcome.SUCCESS: 2, Outcome.AGENT_FAILURE: 1, Outcome.INFRASTRUCTURE: 1}


def test_a_table_of_comma_separated_values_is_read_and_half_a_line_said(bring, store):
    text = "id,ok,n,error\na,true,3,\nb,0,,boom\nc,true\nd,true,1,,extra\n"
    done = bring(text, SIMPLE, "runs.csv")
    assert [(s.id, s.success, s.steps, s.errors) for s in store.sessions()] == [
        ("a", True, 3, ()), ("b", False, None, ("boom",)), ("c", True, None, ()), ("d", True, 1, ()),
    ]  # fmt: skip
    assert done.problems == [
        "runs.csv:4: half a line: no n, error",
        "runs.csv:5: more cells than the 4 columns; the rest is left out",
    ]


def test_a_json_document_that_was_cut_off_is_one_problem(bring):
    with pytest.raises(DataError, match=r"cut\.json:3: not JSON"):
        bring('{\n  "runs": [\n    {"id": "a", ', SIMPLE, "cut.json")


@pytest.mark.parametrize(("head", "rows"), [("[", {}), ('{"made": "2026", "runs": [', {"rows": "runs.*"})])
def test_of_a_list_that_was_cut_off_the_whole_records_are_read_and_the_rest_is_said(bring, store, head, rows):
    text = (
        head
        + '\n{"id": "a", "ok": true, "n": 3},\n{"id": "b", "ok": false, "error": "say \\"[{\\""},\n{"id": "c", "ok": tr'
    )
    done = bring(text, {**SIMPLE, **rows}, "cut.json")
    assert [(s.id, s.success) for s in store.sessions()] == [("a", True), ("b", False)]
    assert done.problems == ["cut.json:4: not JSON: Expecting value at column 19; this record is left out"]


def test_of_a_list_with_a_broken_record_the_others_are_read(bring, store):
    done = bring('[{"id": "a", "ok": true},\n {"id": , "ok": true},\n {"id": "c", "ok": false}]', SIMPLE, "gap.json")
    assert [(s.id, s.success) for s in store.sessions()] == [("a", True), ("c", False)]
    assert done.problems == ["gap.json:2: not JSON: Expecting value at column 8; this record is left out"]
    unclosed = bring('[{"id": "d", "ok": true},\n {"id": "e", "ok": false}\n', SIMPLE, "open.json")
    assert (unclosed.added, unclosed.problems) == (
        2, ["open.json:3: what stands around the records is no JSON; every record was read"],
    )  # fmt: skip


def test_a_key_that_an_object_repeats_is_said_with_its_line_and_the_last_one_counts(bring, store):
    done = bring('{"id": "a", "ok": true}\n{"id": "b", "ok": true, "ok": false}\n', SIMPLE)
    assert (store.get("b").success, done.problems) == (
        False, ["log.jsonl:2: the key 'ok' stands there twice; the last one counts"],
    )  # fmt: skip
    text = '[\n {"id": "c",\n  "ok": {"ok": 1, "x": [{"x": 1}, {"x": 2}]},\n  "ok": true,\n  "n": 1, "n": 2}\n]'
    assert bring(text, SIMPLE, "twice.json").problems == [
        "twice.json:4: the key 'ok' stands there twice; the last one counts",
        "twice.json:5: the key 'n' stands there twice; the last one counts",
    ]
    assert (store.get("c").success, store.get("c").steps) == (True, 2)


def test_a_row_with_nothing_that_is_looked_for_is_a_problem_and_no_session(bring):
    done = bring('1\nnull\n{"id": "a", "ok": true}\n{"other": 1}\n', SIMPLE)
    assert done.read == 1
    assert done.problems == [
        "log.jsonl:1: nothing that the mapping looks for; it has int",
        "log.jsonl:2: nothing that the mapping looks for; it has NoneType",
        "log.jsonl:4: nothing that the mapping looks for; it has the keys other",
    ]
    with pytest.raises(DataError, match="it has the keys id;ok"):
        bring("id;ok\na;true\n", SIMPLE, "semicolons.csv")


def test_a_field_that_is_nowhere_where_the_mapping_looks_is_said(bring):
    done = bring(lines({"id": "a", "okay": True}), {"fields": {"id": "id", "success": "ok"}})
    assert done.sessions == {Outcome.UNKNOWN: 1}
    assert done.unfound == ["success: nothing at 'ok'"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"cost": 1e308}, "cost_usd: 1e+308 is too large"),
        ({"cost": -1}, "cost_usd: -1 is out of range; a cost is 0 or more"),
        ({"score": 85}, "score: 85 is out of range; a score is from 0 to 1; scale: brings others there"),
    ],
)
def test_one_number_that_cannot_be_loses_no_other_session(bring, row, said):
    mapping = {"fields": {"id": "id", "cost_usd": "cost", "score": "score"}}
    done = bring(lines({"id": "a", **row}, {"id": "b", "cost": 1, "score": 1}), mapping)
    assert done.added == 2
    assert done.problems[0].startswith(f"log.jsonl:1: {said}")


def test_ids_that_the_store_cannot_tell_apart_are_one_id(bring, store):
    done = bring('{"id": "a\\u0000", "ok": true}\n{"id": "a\\ufffd", "ok": false}\n', SIMPLE)
    assert (done.added, len(done.refused)) == (1, 1)
    assert store.get("a\ufffd").success is True


def test_a_column_that_comes_twice_is_said(bring):
    assert bring("id,ok,ok\na,true,false\n", SIMPLE, "twice.csv").problems == [
        "twice.csv:1: column 'ok' is there 2 times; the last one counts"
    ]


# Published figures


AGGREGATED = {
    **SIMPLE,
    "rows": "rows.*",
    "fields": {"id": "id", "model": "model", "task": "id", "success": "ok", "errors": "error"},
}


def two_models(published):
    rows = [{"id": f"{m}{i}", "model": m, "ok": i < solved} for m, solved in (("x", 3), ("y", 1)) for i in range(4)]
    return {"rows": rows, "published": published}


def test_a_published_rate_that_the_flags_bear_out_is_counted(bring):
    figures = {"figures": {"success_rate": "."}, "group": {"model": "$key"}, "rows": "published.*"}
    done = bring(two_models({"x": 0.75, "y": 0.25}), {**AGGREGATED, "aggregates": [figures]}, "a.json")
    assert (done.agreed, done.contradictions) == (2, [])


@pytest.mark.parametrize("distrust", [False, True])
def test_a_flag_that_contradicts_a_published_figure_is_reported_and_marked(bring, store, distrust):
    figures = {"figures": {"successes": "."}, "group": {"model": "$key"}, "rows": "published.*", "distrust": distrust}
    done = bring(two_models({"x": 3, "y": 2}), {**AGGREGATED, "aggregates": [figures]}, "a.json")
    assert [str(each) for each in done.contradictions] == ["model=y: successes: published 2, the 4 sessions give 1"]
    marked = list(store.sessions(FilterChain().where(**{"tags.contradicted": "successes"})))
    assert {session.model for session in marked} == {"y"}
    assert {session.outcome for session in marked} == (
        {Outcome.UNKNOWN} if distrust else {Outcome.SUCCESS, Outcome.AGENT_FAILURE}
    )


def test_a_session_that_a_published_list_contradicts_is_trusted_by_nobody(bring, store):
    listed = {"listed": "published"}
    done = bring(two_models(["x0", "x1", "y0", "y3"]), {**AGGREGATED, "aggregates": [listed]}, "a.json")
    assert "2 flags differ from the list: x2, y3" in str(done.contradictions[0])
    assert {s.id for s in store.sessions(FilterChain().where(outcome="unknown"))} == {"x2", "y3"}
    assert store.get("x2").metadata["outcome_of_log"] == "success"


def test_a_rate_that_counts_provider_errors_as_failures_is_explained(bring):
    document = two_models({"x": 0.75})
    document["rows"][3]["error"] = "RateLimitError"
    figures = {"figures": {"success_rate": "."}, "group": {"model": "$key"}, "rows": "published.*"}
    done = bring(document, {**AGGREGATED, "aggregates": [figures]}, "a.json")
    assert "the published figure counts 1 sessions of infrastructure failures" in str(done.contradictions[0])


# Mistakes of people


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"fields": {"modle": "x"}}, "did you mean 'model'"),
        ({"fields": {"model": {"path": "a", "const": 1}}}, "one of path, paths, const and join"),
        ({"fields": {"model": {"path": "a", "pattern": "("}}}, "not a regular expression"),
        ({"fields": {"model": {"path": "a", "pattern": "x"}}}, "no group"),
        ({"infrastructure": ["("]}, "not a regular expression"),
        ({"aggregates": [{"rows": "a"}]}, "name figures, or listed"),
        ({"aggregates": [{"figures": {"success": "a"}}]}, "unknown figure"),
        ({"unheard": 1}, "unheard"),
        ([1], "dictionary"),
    ],
)
def test_a_mistake_in_a_mapping_is_named(mapping, said):
    with pytest.raises(ConfigError) as refused:
        mapping_of(mapping, "m.yaml")
    assert said in str(refused.value)


def test_what_is_not_there_is_said(bring, store, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        import_sessions(store, "nothing.jsonl", tmp_path, How())
    with pytest.raises(UsageError, match="did you mean 'sessions'"):
        bring(lines({"id": "a"}), layout="session")
    with pytest.raises(DataError, match="no layout that is known"):
        bring(lines({"whatever": 1}))


# Out, and in again


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_was_exported_is_imported_as_it_was(store, session, tmp_path, form):
    written = [session, *many(20)]
    path = tmp_path / f"out.{form}"
    assert write_sessions(written, path, SESSION_FORMATS.get(form)) == 21
    done = import_sessions(store, str(path), tmp_path, How())
    assert (done.added, done.problems) == (21, [])
    assert {each.id: each for each in store.sessions(trajectories=True)} == {each.id: each for each in written}


def test_parquet_has_the_same_table(session, tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "out.parquet"
    write_sessions([session, Session("bare")], path, SESSION_FORMATS.get("parquet"))
    table = pq.read_table(path).to_pydict()
    assert table["cost_usd"] == [0.0123, None]
    assert [json.loads(tags) for tags in table["tags"]] == [{"team": "a"}, {}]
    assert [json.loads(t) if t else None for t in table["trajectory"]] == [plain(session)["trajectory"], None]


def test_a_long_trajectory_is_cut_and_says_so():
    long = Session("a", trajectory=tuple(Step("user", str(at)) for at in range(10)))
    [short] = cut([long], 3)
    assert [step.text for step in short.trajectory] == ["0", "1", "9"]
    assert short.metadata == {"trajectory_steps_left_out": 7, "trajectory_cut_after": 2}
    assert list(cut([long], None)) == [long]


def test_a_cell_is_no_formula_of_a_spreadsheet(tmp_path):
    write_sessions([Session("a", model="=HYPERLINK(1)")], tmp_path / "a.csv", SESSION_FORMATS.get("csv"))
    assert "'=HYPERLINK(1)" in (tmp_path / "a.csv").read_text()


def test_nothing_to_export_makes_no_file(tmp_path):
    assert write_sessions([], tmp_path / "a.csv", SESSION_FORMATS.get("csv")) == 0
    assert list(tmp_path.iterdir()) == []
