"""The call ledger: what is a call, who may make it, what is remembered, across threads and processes."""

import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.ledger import Ledger, call_key
from calls.models import ModelSpec
from calls.records import CallSite, Completion, Request
from core.errors import StoreError
from core.owner import Owner
from core.redact import Redactor

SPEC = ModelSpec("far", "openai/far", api_base="http://127.0.0.1:1/v1", input_price=1, output_price=4)
SITE = CallSite("run-1", "task", "student", "row-1")
ASK = Request([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}], {"temperature": 0.5})
ANSWER = Completion(["Hi"], 12, 3, 4, 1, 0.000024, 0.5)


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.db")
    yield made
    made.close()


def owner(ledger, name="me"):
    return Owner(ledger.owners, name)


@pytest.mark.parametrize(
    "other",
    [
        call_key(replace(SPEC, model="openai/near"), ASK),
        call_key(replace(SPEC, api_base="http://127.0.0.1:2/v1"), ASK),
        call_key(SPEC, Request([*ASK.messages, {"role": "user", "content": "?"}], ASK.params)),
        call_key(SPEC, Request(ASK.messages, {"temperature": 0.6})),
        call_key(SPEC, Request(ASK.messages, {**ASK.params, "response_format": {"type": "json_object"}})),
        call_key(SPEC, ASK, repeat="1"),
        call_key(SPEC, ASK, salt="run-2"),
    ],
)
def test_the_key_changes_with_everything_that_shapes_the_answer(other):
    assert other != call_key(SPEC, ASK)


@pytest.mark.parametrize("same", [{"alias": "x"}, {"timeout": 5}, {"input_price": 9}, {"api_key_env": "SOME_KEY"}])
def test_the_key_does_not_change_with_anything_else(same):
    assert call_key(replace(SPEC, **same), ASK) == call_key(SPEC, ASK)


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.none())))
def test_the_order_of_parameters_does_not_matter(params):
    backwards = dict(reversed(params.items()))
    assert call_key(SPEC, Request(ASK.messages, params)) == call_key(SPEC, Request(ASK.messages, backwards))


def test_a_claimed_call_is_answered_once_and_found_afterwards(ledger):
    me = owner(ledger)
    claim = ledger.claim("k", SITE, SPEC, ASK, me.name)
    assert claim.kind == "ours"
    assert ledger.claim("k", SITE, SPEC, ASK, me.name).kind == "busy"
    ledger.settle(claim, ANSWER)
    assert ledger.find("k").answer == ANSWER
    assert ledger.find("k").run_id == "run-1"
    assert ledger.claim("k", SITE, SPEC, ASK, me.name).entry.answer == ANSWER
    me.close()


def test_a_failed_attempt_is_kept_and_the_call_may_be_claimed_again(ledger):
    me = owner(ledger)
    ledger.fail(ledger.claim("k", SITE, SPEC, ASK, me.name), "ServerError: down", 0.1)
    again = ledger.claim("k", SITE, SPEC, ASK, me.name)
    ledger.settle(again, ANSWER)
    usage = ledger.usage("run-1")["student"]
    assert (usage.calls, usage.errors) == (2, 1)
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (12, 3, 4, 1)
    assert usage.cost_usd == pytest.approx(0.000024)
    me.close()


def test_what_a_dead_process_had_in_flight_is_lost_and_claimed_by_the_next(ledger):
    dead, living = owner(ledger, "dead"), owner(ledger, "living")
    ledger.claim("k", SITE, SPEC, ASK, dead.name)
    assert ledger.claim("k", SITE, SPEC, ASK, living.name).kind == "busy"
    dead.close()
    assert ledger.claim("k", SITE, SPEC, ASK, living.name).kind == "ours"
    assert ledger.usage("run-1")["student"].errors == 1
    living.close()


def test_an_unknown_price_makes_the_sum_unknown_and_not_smaller(ledger):
    ledger.keep("a", SITE, SPEC, ASK, ANSWER)
    ledger.keep("b", SITE, SPEC, ASK, replace(ANSWER, cost_usd=None))
    assert ledger.usage("run-1")["student"].cost_usd is None


def test_money_is_nominal_only_where_a_run_has_asked_embedded_models_alone(ledger):
    embedded = replace(SPEC, model="offline/small", api_base=None)
    assert not ledger.nominal("run-1")  # nothing was asked
    ledger.keep("a", SITE, embedded, ASK, ANSWER)
    assert ledger.nominal("run-1")
    ledger.keep("b", SITE, SPEC, ASK, ANSWER)
    assert not ledger.nominal("run-1")


def test_roles_are_accounted_apart(ledger):
    ledger.keep("a", SITE, SPEC, ASK, ANSWER)
    ledger.keep("b", replace(SITE, role="reflector"), SPEC, ASK, ANSWER)
    assert {role: usage.calls for role, usage in ledger.usage("run-1").items()} == {"reflector": 1, "student": 1}


def test_of_many_threads_one_may_make_the_call(ledger):
    me, kinds = owner(ledger), []
    threads = [
        threading.Thread(target=lambda: kinds.append(ledger.claim("k", SITE, SPEC, ASK, me.name).kind))
        for _ in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kinds) == ["busy"] * 31 + ["ours"]
    me.close()


CLAIMER = """
import sys
from pathlib import Path
from calls.ledger import Ledger
from calls.models import ModelSpec
from calls.records import CallSite, Request
from core.owner import Owner
ledger = Ledger(Path(sys.argv[1]))
owner = Owner(ledger.owners, sys.argv[2])
spec, ask = ModelSpec("far", "openai/far"), Request([{"role": "user", "content": "x"}], {})
claims = [ledger.claim(f"k{i}", CallSite("r", "t", "student"), spec, ask, owner.name).kind for i in range(200)]
print(claims.count("ours"))
sys.stdout.flush()
sys.stdin.read()
"""


def test_of_many_processes_each_call_is_made_by_one(tmp_path, request):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, str(tmp_path / "ledger.db"), f"p{i}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=request.config.rootpath,
        )
        for i in range(3)
    ]  # fmt: skip
    made = [int(process.stdout.readline()) for process in processes]
    for process in processes:
        process.communicate("")
    assert sum(made) == 200


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something of yours" * 100)
    with pytest.raises(StoreError, match="cannot be used as a call ledger"):
        Ledger(path)
    assert path.read_bytes().startswith(b"something of yours")


def test_a_ledger_of_a_newer_version_is_refused(tmp_path):
    Ledger(tmp_path / "ledger.db").close()
    db = sqlite3.connect(tmp_path / "ledger.db")
    db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(StoreError, match="newer version"):
        Ledger(tmp_path / "ledger.db")


def test_patterns_and_secrets_are_masked_before_anything_is_stored(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", Redactor({"sk-verysecret": "MY_KEY"}, (r"\d{3}-\d{2}-\d{4}",)))
    ask = Request([{"role": "user", "content": "SSN 123-45-6789, key sk-verysecret"}], {"note": "sk-verysecret"})
    kept = ledger.keep("k", SITE, SPEC, ask, replace(ANSWER, outputs=["it is 123-45-6789"]))
    ledger.close()
    assert kept.outputs == ["it is [redacted]"]  # the run sees what it will see again when it continues
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert b"123-45-6789" not in everything
    assert b"verysecret" not in everything
    db = sqlite3.connect(tmp_path / "ledger.db")
    stored = json.loads(db.execute("select request from calls").fetchone()[0])
    db.close()
    assert stored["messages"][0]["content"] == "SSN [redacted], key <MY_KEY>"
