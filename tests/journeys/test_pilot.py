"""The pilot before a run: a cap, a key or a model that fails inside it ends the command in order, and says why."""

import json

import pytest

from core.errors import BudgetError, ModelError
from optimizers import OPTIMIZERS
from tests.journeys.commands import run
from tests.journeys.test_money import go
from tests.notes import notes
from tests.provider import Provider, serving
from tests.thorough import thorough

REFLECTING = ("gepa", "mipro")
"""Optimisers whose pilot asks the model that writes prompts."""
RIGHT, WRONG = "right-key-of-the-student", "wrong-key-of-the-reflector"


def refuse_the_reflector(status, body):
    def fault(provider, number, name, times):
        asked = provider.seen[number - 1]["model"]
        return (status, {}, json.dumps({"error": body}).encode()) if asked.endswith("large") else None

    return fault


@pytest.mark.parametrize("words", [("--dry-run",), ()])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.names)
@pytest.mark.parametrize("cap", thorough([2, 3], lambda cap: cap == 2))
def test_a_cap_that_is_reached_inside_the_pilot_ends_the_command(tmp_path, words, optimizer, cap):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        flags = ("--max-calls", cap, "--optimizer", optimizer, "--json")
        code, out, err = run("optimize", "notes", *words, *flags, workspace=tmp_path, check=False)
    assert len(provider.seen) == cap
    assert code == BudgetError.exit_code == 75, err
    assert json.loads(out)["message"] == f"the budget --max-calls {cap} is used up: {cap} calls were made"
    assert "higher --max-calls" in err


@pytest.mark.parametrize("words", [("--dry-run",), ()])
@pytest.mark.parametrize("optimizer", REFLECTING)
def test_a_reflector_whose_key_is_refused_ends_the_command_while_the_student_is_up(tmp_path, words, optimizer):
    body = {"message": f"no such key: {WRONG}", "code": "invalid_api_key"}
    with serving(Provider(fault=refuse_the_reflector(401, body))) as provider:
        notes(tmp_path, provider.url, model="api_key_env: FAR_API_KEY")
        code, out, err = run(
            "optimize", "notes", "--optimizer", optimizer, "--json", *words,
            workspace=tmp_path, env={"FAR_API_KEY": WRONG}, check=False,
        )  # fmt: skip
    assert code == ModelError.exit_code == 69, err
    said = json.loads(out)["message"]
    assert said.startswith("mind at http://127.0.0.1")
    assert "no such key: <FAR_API_KEY>" in said
    assert "check FAR_API_KEY" in err
    assert WRONG not in out + err


@pytest.mark.parametrize("status", thorough([500, 503, 429], lambda status: status == 500))
@pytest.mark.parametrize("optimizer", REFLECTING)
def test_a_reflector_that_is_down_ends_the_run_soon_while_the_student_is_up(tmp_path, status, optimizer):
    with serving(Provider(fault=refuse_the_reflector(status, {"message": "down for good"}))) as provider:
        with pytest.raises(ModelError, match=r"mind at http.*down for good"):
            go(tmp_path, provider.url, optimizer=optimizer)
        large = [body for body in provider.seen if body["model"].endswith("large")]
    assert len(large) <= 6
    assert len(provider.seen) == len(large) + (4 if optimizer == "gepa" else 8)


def test_a_student_that_answers_nothing_that_can_be_read_gets_a_forecast_and_an_end(tmp_path):
    def fault(provider, number, name, times):
        return None if provider.seen[number - 1]["model"].endswith("large") else "no fences"

    with serving(Provider(fault=fault)) as provider:
        notes(tmp_path, provider.url)
        plan = json.loads(run("optimize", "notes", "--dry-run", "--json", workspace=tmp_path)[1])
        assert plan["pilot_rows"] == 0
        assert plan["cost_low"] < plan["cost_usd"] < plan["cost_high"]
        code, out, err = run("optimize", "notes", "--set", "optimizer.budget=60", "--json", workspace=tmp_path)
    body = json.loads(out)
    assert code == 0, err
    assert body["verdict"] != "PROMOTE"
    assert body["dev_baseline"] is None


def test_a_forecast_knows_as_much_the_second_time_though_it_pays_nothing(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        for optimizer in REFLECTING:
            words = ("optimize", "notes", "--optimizer", optimizer, "--dry-run", "--json")
            first = json.loads(run(*words, workspace=tmp_path)[1])
            asked = len(provider.seen)
            again = json.loads(run(*words, workspace=tmp_path)[1])
            assert len(provider.seen) == asked
            assert again["input_tokens"] == first["input_tokens"]
            assert again["cost_usd"] == pytest.approx(first["cost_usd"])
