"""A ledger that stays small and can be read: prompts once, old calls forgotten unless a run may need them."""

import io
import json
import sqlite3
from dataclasses import replace

import pytest

from calls.ledger import SCHEMA_VERSION, Ledger
from calls.ledger_care import calls_of, export_calls, ledger_size, prune
from calls.models import ModelSpec
from calls.records import CallSite, Completion, Request
from core.owner import Owner

SPEC = ModelSpec("far", "openai/far", input_price=1, output_price=4)
ANSWER = Completion(["Hi"], 12, 3, 0, 0, 0.000024, 0.5)
PROMPT = "Follow every one of these rules to the letter. " * 200


def ask(number, prompt=PROMPT):
    return Request(
        [{"role": "system", "content": prompt}, {"role": "user", "content": f"row {number}"}], {"top_p": 0.5}
    )


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.db")
    yield made
    made.close()


def made_at(ledger, moment, where="1 = 1"):
    ledger.flush()
    ledger._now(lambda db: db.execute(f"update calls set at = ? where {where}", (moment,)))


def test_a_long_prompt_is_stored_once_however_often_it_is_sent(ledger):
    for number in range(500):
        ledger.keep(f"k{number}", CallSite("r", "t", "student", f"row{number}"), SPEC, ask(number), ANSWER)
    size = ledger_size(ledger)
    assert (size.calls, size.texts, size.unpacked) == ({"answered": 500}, 1, 0)
    db = sqlite3.connect(ledger.path)
    assert db.execute("select max(length(request)) from calls").fetchone()[0] < 300
    assert db.execute("select sum(length(text)) from texts").fetchone()[0] == len(PROMPT)
    db.close()


def test_the_calls_of_a_run_are_read_as_they_were_made(ledger):
    me = Owner(ledger.owners, "me")
    ledger.settle(ledger.claim("a", CallSite("r", "t", "student", "row-1"), SPEC, ask(1), me.name), ANSWER)
    ledger.fail(
        ledger.claim("b", CallSite("r", "t", "judge", "row-2"), SPEC, ask(2), me.name), "LMServerError: no", 0.1
    )
    ledger.keep("c", CallSite("other", "t", "student", "row-1"), SPEC, ask(3), ANSWER)
    me.close()
    first, second = calls_of(ledger, "r")
    assert (first.role, first.row_id, first.model, first.state) == ("student", "row-1", "openai/far", "answered")
    assert (first.input_tokens, first.output_tokens, first.cost_usd, first.seconds) == (12, 3, 0.000024, 0.5)
    assert (first.messages, first.params, first.outputs) == (list(ask(1).messages), {"top_p": 0.5}, ["Hi"])
    assert (second.role, second.state, second.outputs, second.error) == ("judge", "failed", None, "LMServerError: no")
    assert [call.row_id for call in calls_of(ledger, "r", "row-2")] == ["row-2"]
    out = io.StringIO()
    assert export_calls(ledger, out) == 3
    assert [json.loads(line)["run_id"] for line in out.getvalue().splitlines()] == ["r", "r", "other"]
    assert export_calls(ledger, io.StringIO(), before="2020-01-01") == 0


def test_pruning_forgets_what_is_old_and_keeps_what_an_unfinished_run_may_meet_again(ledger):
    me = Owner(ledger.owners, "me")
    for number in range(20):
        prompt = f"{number} {PROMPT}"
        ledger.keep(f"o{number}", CallSite("old", "done", "student"), SPEC, ask(number, prompt), ANSWER)
    ledger.keep("found by the unfinished run", CallSite("old", "going", "student"), SPEC, ask(98), ANSWER)
    ledger.claim("in flight", CallSite("old", "done", "student"), SPEC, ask(99), me.name)
    made_at(ledger, "2026-01-01T00:00:00Z")
    ledger.keep("new", CallSite("new", "done", "student"), SPEC, ask(1, f"1 {PROMPT}"), ANSWER)
    before = ledger_size(ledger)
    assert before.oldest == "2026-01-01T00:00:00Z"
    told = prune(ledger, "2026-06-01", unfinished_tasks=["going"])
    assert (told.pruned, told.kept) == (20, 1)
    after = ledger_size(ledger)
    assert after.calls == {"answered": 2, "inflight": 1}
    assert after.texts == 2  # the prompt of the two that stayed, and the one of the new call
    assert told.bytes_after == after.bytes < before.bytes / 2
    assert ledger.find("found by the unfinished run") is not None
    assert ledger.find("o3") is None
    assert [call.messages[0]["content"] for call in calls_of(ledger, "new")] == [f"1 {PROMPT}"]
    me.close()


def test_a_file_of_the_first_version_is_taken_over_and_packed_when_pruned(tmp_path):
    path = tmp_path / "ledger.db"
    db = sqlite3.connect(path)
    db.executescript("""
        create table calls (
            id integer primary key autoincrement, key text not null, state text not null, owner text not null,
            run_id text not null, task text not null, role text not null, prompt text not null, row_id text not null,
            model text not null, endpoint text not null, input_tokens integer, output_tokens integer,
            cached_tokens integer, reasoning_tokens integer, cost_usd real, seconds real, request text not null,
            outputs text, error text, at text not null
        );
        pragma user_version=1;
    """)
    for number in range(50):
        body = {"messages": list(ask(number).messages), "params": {}}
        values = (f"k{number}", "answered", "", "r", "t", "student", "p", "", "m", "", 1, 1, 0, 0, 0.1, 1.0)
        db.execute(
            "insert into calls (key, state, owner, run_id, task, role, prompt, row_id, model, endpoint, input_tokens, "
            "output_tokens, cached_tokens, reasoning_tokens, cost_usd, seconds, request, outputs, at) "
            f"values ({','.join('?' * 16)}, ?, ?, ?)",
            (*values, json.dumps(body), '["Hi"]', "2026-01-01T00:00:00Z"),
        )
    db.commit()
    db.close()
    ledger = Ledger(path)
    assert ledger.find("k7").answer.outputs == ["Hi"]
    whole = [replace(call) for call in calls_of(ledger, "r")]
    assert whole[7].messages == list(ask(7).messages)
    assert ledger_size(ledger).unpacked == 50
    told = prune(ledger, "2020-01-01")
    assert (told.pruned, ledger_size(ledger).unpacked, ledger_size(ledger).texts) == (0, 0, 1)
    assert told.bytes_after < told.bytes_before / 5
    assert list(calls_of(ledger, "r")) == whole
    ledger.close()
    db = sqlite3.connect(path)
    assert db.execute("pragma user_version").fetchone()[0] == SCHEMA_VERSION
    db.close()
