"""A model that is down fails alone where others may go on, asks no more, and tells no secret."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from calls.account import Account, Policy
from calls.failures import Halt, ModelDownError
from calls.ledger import Ledger
from calls.limits import Caps
from calls.lm import build_lm
from calls.models import ModelSpec, held_back
from core.redact import Redactor
from tests.provider import Provider, serving

pytestmark = pytest.mark.usefixtures("forked")

KEY, PASSWORD = "a-key-that-nobody-may-see", "a-password-in-an-address"


def refuse(provider, number, name, times):
    return (401, {}, json.dumps({"error": {"message": f"bad key {KEY}", "code": "invalid_api_key"}}).encode())


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", Redactor({KEY: "FAR_KEY"}))
    yield ledger
    ledger.close()


def test_a_refused_key_takes_one_model_down_and_leaves_the_other_up(ledger):
    with serving(Provider(fault=refuse)) as bad, serving(Provider(canned=True)) as good:
        account = Account(ledger, "r", "t", Policy(isolate=True))
        down = build_lm(ModelSpec("far", "openai/far", bad.url, "FAR_KEY"), "student", account, env={"FAR_KEY": KEY})
        up = build_lm(ModelSpec("near", "openai/near", good.url), "student", account)
        for text in ("one", "two"):
            with pytest.raises(ModelDownError, match="bad key <FAR_KEY>") as told:
                down(text)
            assert KEY not in str(told.value)
        assert up("three")
        account.close()
    assert len(bad.seen) == 1


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("secret", [KEY, PASSWORD])
def test_an_address_with_a_password_is_told_without_it(ledger, isolate, secret):
    with serving(Provider(fault=refuse)) as provider:
        account = Account(ledger, "r", "t", Policy(isolate=isolate))
        address = provider.url.replace("http://", f"http://user:{secret}@")
        lm = build_lm(ModelSpec("far", "openai/far", address), "student", account)
        with pytest.raises((ModelDownError, Halt), match=r"far at http://127\.0\.0\.1") as told:
            lm("one")
        account.close()
    assert secret not in str(told.value)


def spend(account, spec, threads, calls):
    """Ask different questions from so many threads until the account says no."""
    lm = build_lm(spec, "student", account)

    def ask(number):
        with contextlib.suppress(Halt):
            lm(f"{number} " + "word " * 300)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(calls)))


@pytest.mark.parametrize(("cap", "price"), [(Caps(cost=0.00248), True), (Caps(tokens=2120), False)])
def test_a_cap_holds_with_many_calls_in_flight_because_each_is_reserved_before_it_goes_out(ledger, cap, price):
    """An answer is worth $0.000248, or 212 tokens: ten of them fit. Without reservations all 16 threads would go on."""
    prices = {"input_price": 1.0, "output_price": 4.0} if price else {}
    with serving(Provider(canned=True, latency=0.1)) as provider:
        account = Account(ledger, "r", "t", Policy(cap))
        spend(account, ModelSpec("far", "openai/far", provider.url, max_tokens=12, **prices), 16, 40)
        account.close()
    assert 10 <= len(provider.seen) <= 11


def test_more_calls_go_out_at_a_time_than_one_client_of_dspy_has_connections(ledger):
    with serving(Provider(canned=True, latency=4.0)) as provider:
        account = Account(ledger, "r", "t")
        spend(account, ModelSpec("far", "openai/far", provider.url), 130, 130)
        account.close()
    assert provider.most_in_flight > 100
    assert provider.repeated == 0


def test_who_asks_for_more_than_a_model_takes_is_told():
    specs = [ModelSpec("far", "openai/far", max_concurrency=8), ModelSpec("near", "openai/near")]
    assert held_back(specs, 8) == ()
    assert held_back(specs, 9) == (
        "far takes 8 calls at a time (max_concurrency in models.yaml), not the 9 that were asked for",
    )
