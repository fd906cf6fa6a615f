"""Real requests over HTTP: failing providers, budgets, chaos, kills; the provider's own count is the truth."""

import contextlib
import json
import random
import time

import pytest

from calls.failures import StopRequestedError
from core.candidate import Candidate
from core.errors import BudgetError
from core.plain import from_json
from core.verdict import Decision
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from tests.journeys.commands import run, started
from tests.notes import notes
from tests.provider import FAULTS, Provider, chaos, serving
from tests.runs import optimized, task_of
from tests.thorough import thorough
from tracking.store import Store


def go(root, url, *sets, optimizer="gepa", threads=4, new=False, **options):
    """Optimise the notes task in this process."""
    notes(root, url, **options)
    workspace = Workspace(root)
    return optimized(workspace, task_of(workspace, "notes", f"run.threads={threads}", *sets, name=optimizer), new=new)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run of each optimiser that nothing befalls, made when first asked for, and how often it repeats itself."""
    made = {}

    def get(optimizer):
        if optimizer not in made:
            with serving(Provider()) as provider:
                whole = go(tmp_path_factory.mktemp("whole"), provider.url, optimizer=optimizer)
                made[optimizer] = whole, provider.repeated
        return made[optimizer]

    return get


def always(kind):
    return lambda provider, number, name, times: kind


ALWAYS = ["500", "429", "429 hour", "reset", "wrong type", "no choices", "truncated"]


@pytest.mark.parametrize("kind", thorough(ALWAYS, lambda kind: kind in {"500", "429 hour", "truncated"}))
def test_a_provider_that_always_fails_ends_the_run_soon_and_says_what_to_do(tmp_path, kind):
    with serving(Provider(fault=always(kind))) as provider:
        notes(tmp_path, provider.url)
        code, out, err = run("optimize", "notes", "--json", workspace=tmp_path, check=False)
    assert code == 69, err
    assert "hint:" in err
    assert "far at http://127.0.0.1" in json.loads(out)["message"]
    assert len(provider.seen) <= 8
    assert not list((tmp_path / "mlruns").glob("reports/*"))


def test_a_wrong_key_an_unknown_model_and_an_unreachable_host_say_which(tmp_path, monkeypatch):
    monkeypatch.setenv("FAR_API_KEY", "wrong-key-123")
    with serving(Provider(key="right")) as provider:
        notes(tmp_path, provider.url, model="api_key_env: FAR_API_KEY")
        code, _, err = run("optimize", "notes", workspace=tmp_path, check=False)
        assert code == 69
        assert "check FAR_API_KEY" in err
        assert "wrong-key-123" not in err
        assert len(provider.seen) == 1
    unknown = (404, {}, b'{"error": {"message": "no such model", "code": "model_not_found"}}')
    with serving(Provider(fault=always(unknown))) as provider:
        notes(tmp_path, provider.url)
        code, _, err = run("optimize", "notes", workspace=tmp_path, check=False)
        assert code == 69
        assert "no such model" in err
    notes(tmp_path, "http://127.0.0.1:9/v1")
    code, _, err = run("optimize", "notes", workspace=tmp_path, check=False)
    assert code == 69
    assert "check the network and api_base" in err


@pytest.mark.parametrize("optimizer", thorough(OPTIMIZERS.names, lambda name: name == "bootstrap"))
def test_chaos_changes_neither_the_winner_nor_the_scores(tmp_path, optimizer, undisturbed):
    clean, _ = undisturbed(optimizer)
    with serving(Provider(fault=chaos(0.2))) as provider:
        wild = go(tmp_path / "wild", provider.url, optimizer=optimizer)
        sent = len(provider.seen)
    assert sum(provider.faults.values()) > 0.1 * sent
    assert wild.winner.hash == clean.winner.hash
    assert [c.dev_scores for c in wild.candidates] == [c.dev_scores for c in clean.candidates]
    assert all(c.complete for c in wild.candidates)
    assert wild.total_usage.calls == sent
    assert sent <= 1.3 * clean.total_usage.calls


def test_a_row_that_always_fails_is_unscored_and_marks_its_trials(tmp_path):
    def fault(provider, number, name, times):
        return "400" if " 17\n" in provider.seen[number - 1]["messages"][-1]["content"] else None

    with serving(Provider(fault=fault)) as provider:
        result = go(tmp_path, provider.url)
    rows = [row for row in result.dev_baseline.rows if row.status == "lm_error"]
    everywhere = [c for c in result.candidates if not c.complete]
    assert [row.row_id for row in rows] in ([], ["r17"])
    assert all(row.score is None for row in rows)
    assert len(everywhere) == (len(result.candidates) if rows else 0)


def capped(root, url, cap, threads):
    """How a run with a cap on calls ended, and why."""
    try:
        result = go(root, url, f"run.max_calls={cap}", threads=threads, optimizer="bootstrap")
    except BudgetError as error:
        return "exhausted", error.message
    if result.ended != "finished":
        assert result.verdict.decision is Decision.INCONCLUSIVE
    return result.ended, result.verdict.reasons[0]


@pytest.mark.parametrize("threads", thorough([1, 8, 64], lambda threads: threads == 64))
def test_a_cap_on_calls_holds_at_any_number_of_threads(tmp_path, threads):
    generator = random.Random(threads)
    for number in range(2):
        cap = generator.randint(1, 400)
        with serving(Provider(canned=True)) as provider:
            root = tmp_path / str(number)
            ended, why = capped(root, provider.url, cap, threads)
        assert len(provider.seen) <= cap
        assert ended == "finished" or (f"--max-calls {cap} is used up" in why and len(provider.seen) == cap)


@pytest.mark.parametrize("threads", [1, 16])
def test_a_cap_on_money_is_overshot_by_less_than_one_call(tmp_path, threads):
    with serving(Provider()) as provider:
        result = go(tmp_path, provider.url, "run.max_cost=0.05", threads=threads)
    assert result.ended == "exhausted"
    assert "--max-cost 0.05 is used up" in result.verdict.reasons[0]
    dearest = 0.02  # one reflection
    assert 0.05 <= result.total_usage.cost_usd <= 0.05 + dearest


def test_a_cap_on_money_needs_a_price(tmp_path):
    notes(tmp_path, "http://127.0.0.1:9/v1", priced=False)
    code, _, err = run("optimize", "notes", "--max-cost", "1", workspace=tmp_path, check=False)
    assert code == 64
    assert "the price of far, mind is unknown" in err


def test_an_exhausted_run_continues_with_a_higher_cap_and_pays_nothing_twice(tmp_path, undisturbed):
    whole, _ = undisturbed("gepa")
    with serving(Provider()) as provider:
        notes(tmp_path / "two", provider.url)
        words = ("optimize", "notes", "--json", "--max-calls")
        code, out, err = run(*words, "150", workspace=tmp_path / "two", check=False)
        first = json.loads(out)
        assert code == 75, err
        assert first["verdict"] == "INCONCLUSIVE"
        assert first["calls"] == 150
        code, out, err = run(*words, "5000", workspace=tmp_path / "two", check=False)
        second = json.loads(out)
        assert code == 0, err
        assert second["run_id"] == first["run_id"]
        assert "continuing run" in err
        assert second["prompt_hash"] == whole.winner.hash
        assert second["calls"] == whole.total_usage.calls == len(provider.seen)
        assert provider.repeated == 0


def test_another_seed_is_another_run_and_it_says_so(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        words = ("optimize", "notes", "--max-calls", "60", "--json")
        run(*words, workspace=tmp_path, check=False)
        code, out, err = run(*words, "--seed", "1", workspace=tmp_path, check=False)
    assert code == 75
    assert "is another run and stays as it is: optimizer.seed: 0 -> 1" in err
    body = json.loads(run("runs", "--json", workspace=tmp_path)[1])
    assert [r["state"] for r in body["runs"]] == ["exhausted", "exhausted"]
    assert json.loads(out)["run_id"] == body["runs"][0]["run_id"]


def test_resume_refuses_a_changed_corpus_and_says_what_changed(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        _, out, _ = run("optimize", "notes", "--max-calls", "60", "--json", workspace=tmp_path, check=False)
        path = tmp_path / "corpora" / "notes.jsonl"
        path.write_text(path.read_text("utf-8").replace("saddle", "bridle"), "utf-8")
        code, _, err = run("resume", json.loads(out)["run_id"], workspace=tmp_path, check=False)
    assert code == 64
    assert "cannot be continued" in err
    assert "corpus: " in err


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names[:1])  # once is in tests/contracts, for every optimiser
def test_killed_twice_and_continued_is_as_if_nothing_had_happened(tmp_path, optimizer, undisturbed):
    whole, repeats = undisturbed(optimizer)
    with serving(Provider(latency=0.02)) as provider:
        root = notes(tmp_path / "killed", provider.url)
        for share in (0.25, 0.7):
            process = started("optimize", "notes", "--optimizer", optimizer, "--json", workspace=root)
            while process.poll() is None and len(provider.seen) < share * whole.total_usage.calls:
                time.sleep(0.005)
            process.kill()
        states = json.loads(run("runs", "--json", workspace=root)[1])["runs"]
        assert [r["state"] for r in states] == ["died"]
        body = json.loads(run("resume", states[0]["run_id"], "--json", workspace=root)[1])
        assert provider.repeated == repeats  # MIPROv2 asks the same thing again on purpose, as a rollout
        assert body["calls"] == len(provider.seen) == whole.total_usage.calls
    assert body["prompt_hash"] == whole.winner.hash
    assert body["verdict"] == whole.verdict.decision
    with contextlib.closing(Store(root / "mlruns" / "proven.db")) as store:
        events = store.events(body["run_id"])
    found = [from_json(Candidate, e.payload) for e in events if e.kind == "candidate"]
    assert [(c.prompts.hash, c.dev_scores) for c in found] == [(c.prompts.hash, c.dev_scores) for c in whole.candidates]


def test_stop_ends_a_running_run_in_order_from_another_terminal(tmp_path):
    with serving(Provider(latency=0.25)) as provider:
        root = notes(tmp_path, provider.url)
        process = started("optimize", "notes", "--json", workspace=root)
        while len(provider.seen) < 40:
            time.sleep(0.01)
        code, _, err = run("optimize", "notes", workspace=root, check=False)
        assert code == 66
        assert "does exactly this in another process" in err
        found = json.loads(run("runs", "--json", workspace=root)[1])["runs"]
        assert [r["state"] for r in found] == ["running"]
        run("stop", found[-1]["run_id"], workspace=root)
        code, out, err = process.ended()
        body = json.loads(out)
        assert code == StopRequestedError.exit_code == 75, err
        assert body["ended"] == "stopped"
        assert body["reasons"][0].startswith("stopped on request")
        assert run("stop", body["run_id"], workspace=root, check=False)[0] == 64


def test_two_processes_with_the_same_question_ask_it_once(tmp_path):
    with serving(Provider(latency=0.05)) as provider:
        root = notes(tmp_path, provider.url)
        words = ("eval", "notes", "--split", "train", "--json", "--new")
        processes = [started(*words, workspace=root) for _ in range(2)]
        bodies = [json.loads(process.ended()[1]) for process in processes]
        assert bodies[0]["score"] == bodies[1]["score"]
        assert provider.repeated == 0
        assert len(provider.seen) == sum(body["calls"] for body in bodies) == bodies[0]["n"]


def test_eval_repeats_are_real_and_no_cache_asks_again(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        words = ("eval", "notes", "--json")
        first = json.loads(run(*words, workspace=tmp_path)[1])
        assert json.loads(run(*words, workspace=tmp_path)[1])["calls"] == 0
        assert json.loads(run(*words, "--no-cache", workspace=tmp_path)[1])["calls"] == first["calls"]
        repeated = json.loads(run(*words, "--repeat", "3", workspace=tmp_path)[1])
        assert repeated["calls"] == 2 * first["calls"]  # the first of the three is known
        assert len(provider.seen) == 4 * first["calls"]


def test_the_forecast_pilot_is_not_paid_twice(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        words = ("optimize", "notes", "--set", "optimizer.budget=60", "--json")
        plan = json.loads(run(*words, "--dry-run", workspace=tmp_path)[1])
        assert plan["pilot_rows"] == 4
        assert len(provider.seen) == 4 + 1  # rows, and one reflection
        assert plan["cost_low"] < plan["cost_usd"] < plan["cost_high"]
        body = json.loads(run(*words, workspace=tmp_path)[1])
        assert provider.repeated == 0
        assert len(provider.seen) == 5 + body["calls"]


def test_a_costly_run_asks_first_and_nobody_there_means_no(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        words = ("optimize", "notes", "--confirm-above", "0.01", "--max-calls", "20")
        code, _, err = run(*words, workspace=tmp_path, check=False)
        assert code == 64
        assert "-y" in err
        assert len(provider.seen) == 4 + 1  # the pilot: rows, and one reflection
        assert run(*words, "-y", workspace=tmp_path, check=False)[0] == 75  # it went on, as far as its cap


def test_the_doctor_checks_one_model_with_one_call(tmp_path):
    with serving(Provider()) as provider:
        notes(tmp_path, provider.url)
        body = json.loads(run("doctor", "far", "--json", workspace=tmp_path)[1])
        assert body["models"][0]["ok"]
        assert len(provider.seen) == 1
    code, out, _ = run("doctor", "far", workspace=tmp_path, check=False)
    assert code == 69
    assert "FAIL far" in out


def test_two_processes_on_two_tasks_in_one_workspace_keep_their_accounts_apart(tmp_path):
    with serving(Provider(latency=0.01)) as provider:
        root = notes(tmp_path, provider.url)
        config = (root / "configs" / "notes.yaml").read_text("utf-8")
        (root / "configs" / "memos.yaml").write_text(
            config.replace("task: notes", "task: memos\ninstruction: Sort it.")
        )
        words = ("--json", "--set", "optimizer.budget=100", "--set", "tracking.rows=none")
        processes = [started("optimize", name, *words, workspace=root) for name in ("notes", "memos")]
        bodies = []
        for process in processes:
            code, out, err = process.ended()
            assert code == 0, err
            assert "locked" not in err
            bodies.append(json.loads(out))
        assert sum(body["calls"] for body in bodies) == len(provider.seen)
        listed = {r["run_id"]: r for r in json.loads(run("runs", "--json", workspace=root)[1])["runs"]}
    for body in bodies:
        assert listed[body["run_id"]]["calls"] == body["calls"]
        assert listed[body["run_id"]]["cost_usd"] == pytest.approx(body["cost_usd"])
    synced = json.loads(run("sync", "--json", workspace=root)[1])
    assert synced["waiting"] == 0


def test_litellm_carries_a_whole_evaluation_as_well(tmp_path):
    with serving(Provider()) as provider:
        native = notes(tmp_path / "native", provider.url)
        other = notes(tmp_path / "litellm", provider.url, model="engine: litellm")
        scores = [json.loads(run("eval", "notes", "--json", workspace=root)[1])["score"] for root in (native, other)]
    assert scores[0] == scores[1]


TRANSIENT = [kind for kind in FAULTS if kind != "no fences"]


GROUPS = [TRANSIENT[start::5] for start in range(5)]


@pytest.mark.parametrize("kinds", thorough(GROUPS, lambda kinds: kinds == GROUPS[0]), ids=" + ".join)
def test_whatever_a_provider_does_now_and_then_the_winner_is_the_same_and_no_answer_is_asked_for_twice(
    tmp_path, kinds, undisturbed, monkeypatch
):
    monkeypatch.setattr("calls.failures.LONGEST_BACKOFF", 0.5)  # else an hour asked for is half a minute waited
    with serving(Provider(fault=chaos(0.15, seed=1, kinds=tuple(kinds), most=2))) as provider:
        result = go(tmp_path, provider.url, optimizer="bootstrap", threads=8, model="timeout: 2, max_answer_mb: 1")
        assert set(provider.faults) == set(kinds)
        assert provider.repeated == 0
        assert result.total_usage.calls == len(provider.seen)
    whole, _ = undisturbed("bootstrap")
    assert result.ended == "finished"
    assert result.winner.hash == whole.winner.hash
    assert result.verdict.decision == whole.verdict.decision
