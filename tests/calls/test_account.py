"""A model that is down fails alone where others may go on, asks no more, and tells no secret."""

import json

import pytest

from calls.account import Account, Halt, ModelDownError, Policy
from calls.ledger import Ledger
from calls.lm import build_lm
from calls.models import ModelSpec
from core.redact import Redactor
from tests.provider import Provider, serving

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
