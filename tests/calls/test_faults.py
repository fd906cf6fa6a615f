"""Everything a provider may do to one call, over real HTTP: it ends in time, and an answer is an answer."""

import os
import resource
import sqlite3
import sys
import threading
import time

import pytest

import calls.failures
from calls.account import Account, Policy
from calls.failures import Halt
from calls.ledger import Ledger
from calls.limits import Caps
from calls.lm import build_lm
from calls.models import ModelSpec
from core.errors import BudgetError, OutputError
from core.patterns import SlowPatternError
from core.redact import Redactor
from tests.journeys.commands import HANGS
from tests.provider import ENDINGS, FAULTS, Provider, serving

pytestmark = pytest.mark.usefixtures("forked")
PYTHON = sys.executable
ANSWER = "[[ ## label ## ]]\na\n\n[[ ## completed ## ]]"


def named(provider, number, name, times):
    """Fail the first time, in the way that the question names."""
    kind = provider.seen[number - 1]["messages"][-1]["content"]
    return kind if times == 1 and kind in FAULTS else None


def spec(url, **settings):
    return ModelSpec("far", "openai/far", url, **{"timeout": 2.0, "max_answer_mb": 1.0, **settings})


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def test_every_fault_ends_and_the_next_attempt_is_answered(ledger, monkeypatch):
    monkeypatch.setattr(calls.failures, "LONGEST_BACKOFF", 0.5)
    with serving(Provider(canned=True, fault=named)) as provider:
        account = Account(ledger, "r", "t")
        lm = build_lm(spec(provider.url), "student", account)
        said = {"hello": lm("hello")[0]}
        for kind in FAULTS:
            said[kind] = lm(kind)[0]
        account.close()
        assert provider.repeated == 0
    assert {kind for kind, text in said.items() if text != ANSWER} == {"no fences", "surrogate", "nul"}
    assert said["surrogate"] == ANSWER + " \ufffd"
    assert said["nul"] == ANSWER + " \x00"
    answers = {"no fences", "slow", *ENDINGS}
    assert {k: n for k, n in provider.faults.items() if n != 1} == {}
    usage = ledger.usage("r")["student"]
    assert usage.errors == len(FAULTS) - len(answers)
    assert usage.calls == len(provider.seen) == 1 + len(FAULTS) + usage.errors


def test_what_the_program_saw_is_what_the_ledger_gives_back(ledger):
    with serving(Provider(canned=True, fault=named)) as provider:
        first = Account(ledger, "r", "t")
        said = [build_lm(spec(provider.url), "student", first)(kind) for kind in ENDINGS]
        first.close()
        second = Account(ledger, "r2", "t")
        assert [build_lm(spec(provider.url), "student", second)(kind) for kind in ENDINGS] == said
        assert second.meter.snapshot()["student"].hits == len(ENDINGS)
        second.close()


@pytest.mark.parametrize("model", ["openai/far", "offline/small"])
def test_a_text_that_cannot_be_masked_in_time_ends_the_run_by_name_and_is_written_nowhere(tmp_path, model):
    """Refused on loading; a pattern that slips through that may hold up neither the run nor what carries its calls."""
    ledger = Ledger(tmp_path / "slow.db", Redactor({}, ("(a+)+$",)))
    with serving(Provider(canned=True)) as provider:
        account = Account(ledger, "r", "t")
        url = provider.url if model == "openai/far" else None
        with pytest.raises(Halt) as ended:
            build_lm(ModelSpec("far", model, url), "student", account)(f"Call me {'a' * 5_000}!")
        account.close()
        assert isinstance(ended.value.cause, SlowPatternError)
        assert "'(a+)+$' takes longer than 3 s on a text of" in ended.value.cause.message
        assert provider.seen == []  # nothing was paid for what could not be kept
    ledger.close()
    assert b"aaaa" not in (tmp_path / "slow.db").read_bytes()


def test_half_a_character_in_a_question_is_asked_and_remembered_like_any_other(ledger):
    with serving(Provider(canned=True)) as provider:
        account = Account(ledger, "r", "t")
        lm = build_lm(spec(provider.url), "student", account)
        assert lm("a cut emoji \ud83d") == lm("a cut emoji \ud83d") == [ANSWER]
        account.close()
        assert len(provider.seen) == 1


@pytest.mark.parametrize("kind", ["drip", "stall", "drip head"])
@pytest.mark.parametrize("engine", ["auto", "litellm"])
def test_a_cap_on_minutes_and_a_request_to_stop_end_a_wait(ledger, kind, engine):
    if engine == "litellm" and kind != "drip":
        pytest.skip("one of them is enough")
    with serving(Provider(canned=True, fault=lambda *a: kind)) as provider:
        stopped = threading.Event()
        for policy, end in ((Policy(Caps(minutes=1.0 / 60)), None), (Policy(), stopped.set)):
            account = Account(ledger, f"r{policy.caps.minutes}", "t", policy)
            account.stop_requested = stopped.is_set
            lm = build_lm(spec(provider.url, timeout=60.0, engine=engine), "student", account)
            if end is not None:
                threading.Timer(1.0, end).start()
            with pytest.raises(Halt) as ended:
                lm("hello")
            assert isinstance(ended.value.cause, BudgetError)
            account.close()


def ends_by_halt(lm, text):
    with pytest.raises(Halt):
        lm(text)


def test_a_courier_ends_within_the_limit_of_its_attempt_after_its_run_is_gone(ledger):
    with serving(Provider(canned=True, fault=lambda *a: "drip")) as provider:
        account = Account(ledger, "r", "t")
        lm = build_lm(spec(provider.url, timeout=3.0), "student", account)
        caller = threading.Thread(target=ends_by_halt, args=(lm, "hello"))
        caller.start()
        while not provider.seen:
            time.sleep(0.02)
        process = account.courier()._process
        account.interrupt()
        caller.join(HANGS)
        assert not caller.is_alive()
        account.close()
        assert process.poll() is None  # it waits for the answer that is on its way
        process.wait(HANGS)
    assert ledger.usage("r")["student"].errors == 1


@pytest.fixture
def full_disk(ledger, monkeypatch):
    """A function after which no file of this process's children can grow, and one that frees the space."""
    monkeypatch.setattr(sys, "executable", PYTHON)  # the courier is this process's own child
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    couriers = []

    def fill(account):
        couriers.append(account.courier()._process.pid)
        size = max(os.path.getsize(path) for path in (ledger.path, f"{ledger.path}-wal"))
        resource.prlimit(couriers[-1], resource.RLIMIT_FSIZE, (size, before[1]))

    def free():
        resource.prlimit(couriers[-1], resource.RLIMIT_FSIZE, before)

    return fill, free


def test_an_answer_that_cannot_be_written_ends_the_run_by_name_and_is_not_paid_again(ledger, full_disk):
    fill, free = full_disk
    with serving(Provider(latency=1.0, canned=True)) as provider:
        account = Account(ledger, "r", "t")
        lm = build_lm(spec(provider.url), "student", account)
        lm("hello")
        ends = []

        def ask(text):
            try:
                lm(text)
            except Halt as halt:
                ends.append(halt.cause)

        callers = [threading.Thread(target=ask, args=(f"{n} " * 20_000,)) for n in range(4)]
        for caller in callers:
            caller.start()
        while len(provider.seen) < 5:
            time.sleep(0.02)
        fill(account)
        for caller in callers:
            caller.join(HANGS)
        assert [type(end) for end in ends] == [OutputError] * 4
        assert "free space" in ends[0].hint
        process = account.courier()._process
        account.close()
        assert process.poll() is None  # it keeps what was paid
        free()
        process.wait(HANGS)
        again = Account(ledger, "r", "t")
        lm = build_lm(spec(provider.url), "student", again)
        for n in range(4):
            assert lm(f"{n} " * 20_000) == [ANSWER]
        again.close()
        assert provider.repeated == 0
        assert len(provider.seen) == 5


def test_one_write_that_fails_leaves_the_others_of_its_transaction_alone(ledger):
    barrier, results = threading.Barrier(8), {}

    def write(number):
        barrier.wait()
        try:
            results[number] = ledger._now(lambda db: db.execute("select ?", (number,) if number else ("\ud83d",)))
        except OutputError as error:
            results[number] = error

    with ledger._commit_lock:  # all of them gather in one batch
        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        while len(ledger._waiting) < 8:
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert [n for n, r in results.items() if isinstance(r, OutputError)] == [0]


def test_an_answer_of_the_embedded_model_that_cannot_be_kept_is_told_at_the_end(ledger):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    account = Account(ledger, "r", "t")
    lm = build_lm(ModelSpec("small", "offline/small"), "student", account)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(ledger.path), limit[1]))
        assert lm("x " * 100_000)
        with pytest.raises(OutputError, match="cannot be written"):
            account.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


def test_only_its_owner_reads_the_ledger(ledger):
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    for path in ledger.path.parent.glob("ledger.db-*"):
        assert path.stat().st_mode & 0o777 == 0o600
    sqlite3.connect(ledger.path).close()
