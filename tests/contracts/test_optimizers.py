"""What every optimiser of the catalog keeps to, whatever its strategy; a new member inherits all of it."""

import contextlib
import json
import time

import pytest

from core.candidate import Candidate
from core.errors import ModelError
from core.plain import from_json
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from optimizers.search import run_search
from tasks.task import assemble, read_config
from tests.journeys.commands import run, started
from tests.journeys.test_money import go
from tests.notes import notes
from tests.optimizers.searching import searching
from tests.provider import Provider, serving
from tracking.store import Store

BUDGET, ROLLOUTS = "optimizer.budget=100", 500
EVERY = pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o.name)


def steps(candidates):
    """What a search found, in order."""
    return [(c.origin, c.prompts.hash, c.dev_scores) for c in candidates]


def found(root, optimizer, **size):
    """The steps of a search on its own, its best prompt, and how many calls of the student it made."""
    with searching(root, rollouts=ROLLOUTS, **size) as search:
        run_search(optimizer, search)
        calls = search.journal.meter.snapshot()["student"].calls
        return steps(search.journal.candidates), search.journal.best().prompts.hash, calls


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One undisturbed run of each optimiser against the provider, made when it is first asked for."""
    made = {}

    def get(optimizer):
        if optimizer.name not in made:
            with serving(Provider()) as provider:
                root = tmp_path_factory.mktemp(optimizer.name)
                made[optimizer.name] = go(root, provider.url, BUDGET, optimizer=optimizer.name), provider
        return made[optimizer.name]

    return get


@EVERY
def test_the_same_seed_finds_the_same_on_any_number_of_threads_and_another_seed_something_else(tmp_path, optimizer):
    first = found(tmp_path / "1", optimizer, threads=1)
    assert len(first[0]) > 1
    assert first[2] <= 1.25 * ROLLOUTS  # a step that has begun is ended
    assert found(tmp_path / "4", optimizer, threads=4)[:2] == first[:2]
    assert found(tmp_path / "other", optimizer, seed=1)[0] != first[0]


@EVERY
def test_forecast_killed_and_started_again_it_ends_as_if_nothing_had_happened(tmp_path, optimizer, whole):
    result, undisturbed = whole(optimizer)
    with serving(Provider(latency=0.01)) as provider:
        root = notes(tmp_path, provider.url)
        words = ("optimize", "notes", "--optimizer", optimizer.name, "--set", BUDGET, "--json")
        plan = json.loads(run(*words, "--dry-run", workspace=root)[1])
        assert plan["pilot_rows"] == 4
        assert plan["calls"]["student"] > 48
        assert 0 < plan["cost_low"] < plan["cost_usd"] < plan["cost_high"]
        pilot = len(provider.seen)
        process = started(*words, workspace=root)
        while process.poll() is None and len(provider.seen) < 0.5 * result.total_usage.calls:
            time.sleep(0.005)
        process.kill()
        body = json.loads(run(*words, workspace=root)[1])
        assert provider.repeated == undisturbed.repeated  # some ask the same thing again on purpose, as a rollout
        assert body["calls"] + pilot == len(provider.seen)  # nothing of the pilot again
        assert 0 <= len(provider.seen) - result.total_usage.calls <= 4  # what was under way may not be wanted again
    assert (body["prompt_hash"], body["verdict"]) == (result.winner.hash, result.verdict.decision)
    with contextlib.closing(Store(root / "mlruns" / "proven.db")) as store:
        events = store.events(body["run_id"])
    assert steps(from_json(Candidate, e.payload) for e in events if e.kind == "candidate") == steps(result.candidates)


@EVERY
def test_nothing_of_the_holdout_is_in_any_request_before_the_gate(tmp_path, optimizer, whole):
    _, provider = whole(optimizer)
    workspace = Workspace(notes(tmp_path, provider.url))
    splits = assemble(read_config(workspace, "notes", []), workspace).splits
    hidden = [row.inputs["note"] for row in splits.holdout]
    known = [row.inputs["note"] for row in (*splits.train, *splits.dev)]
    texts = ["\n".join(m["content"] for m in body["messages"]) for body in provider.seen]
    inputs = [body["messages"][-1]["content"] for body in provider.seen]
    first = next((n for n, text in enumerate(texts) if any(note in text for note in hidden)), len(texts))
    last = max(n for n, text in enumerate(inputs) if any(note in text for note in known))
    assert first > last > 22


@EVERY
def test_a_model_that_fails_in_the_middle_ends_the_run_by_its_name(tmp_path, optimizer, whole):
    most = 0.5 * whole(optimizer)[0].total_usage.calls

    def fault(provider, number, name, times):
        return (401, {}, b'{"error": {"message": "key revoked"}}') if number > most else None

    with serving(Provider(fault=fault)) as provider:
        with pytest.raises(ModelError, match=r"(far|mind) at http.*key revoked") as raised:
            go(tmp_path, provider.url, BUDGET, optimizer=optimizer.name)
        assert len(provider.seen) < most + 15
    assert raised.value.exit_code == 69
    with contextlib.closing(Store(tmp_path / "mlruns" / "proven.db")) as store:
        assert [r.state for r in store.runs()] == ["failed"]
