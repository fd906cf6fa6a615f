"""The agent in the shop: the right guideline is accepted, a useless one given up, a harmful one soon refused."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from commands.flags import Chosen, SessionPlace, Starting
from commands.sessions.suggest import command as suggest
from core.errors import BudgetError, UsageError
from core.workspace import HOME, Workspace
from experiments.config import load_experiment
from experiments.hypotheses import read_hypotheses
from experiments.kpis import kpis
from experiments.replay import read_records
from experiments.sequential import Request, experiments, run_experiment
from sessions.filters import FilterChain
from sessions.store import open_sessions
from tasks.open_run import RunOptions, open_store
from tests.journeys.commands import HANGS
from tracking.events import EventKind

QUIET = RunOptions(track=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for folder in ("configs", "corpora"):
        shutil.copytree(HOME / folder, root / folder, ignore=shutil.ignore_patterns("*.md"))
    return Workspace(root)


def decide(place, name, **caps):
    arms = [load_experiment(arm, root=place.root) for arm in ("shop_baseline", name)]
    return run_experiment(place, Request(arms[0], arms[1], "sprt"), QUIET, caps=caps)


def test_the_right_guideline_is_accepted_and_its_hypothesis_says_so(place):
    done = decide(place, "shop_limits")
    assert done.decision == "accept"
    assert done.pairs < done.fixed_n / 2
    with open_sessions(place) as stored:
        arm = list(stored.sessions(FilterChain().where(experiment="shop_limits")))
    assert len(arm) >= done.pairs
    assert {s.guidelines for s in arm} == {done.test.guidelines}
    outcome = read_hypotheses(place.root)[0].outcome
    assert (outcome.decision, outcome.run, outcome.pairs) == ("accept", done.run_id, done.pairs)


def test_a_useless_guideline_is_rejected_for_futility_and_a_harmful_one_within_a_third_of_the_fixed_number(place):
    useless = decide(place, "shop_polite")
    assert useless.decision == "reject"
    assert useless.pairs < useless.fixed_n / 3
    harmful = decide(place, "shop_hasty")
    assert harmful.decision == "reject"
    assert harmful.pairs <= harmful.fixed_n / 3
    assert harmful.test.rate < harmful.control.rate


def test_a_guideline_suggested_from_recorded_sessions_is_a_configuration_that_an_experiment_accepts(place, monkeypatch):
    monkeypatch.setenv("PROVEN_MLFLOW", "later")
    decide(place, "shop_polite")
    path = place.root / "configs" / "experiments" / "shop_suggested.json"
    given = SessionPlace(workspace=str(place.root)), Chosen(where=["experiment=shop_baseline,shop_polite"]), Starting()
    with pytest.raises(UsageError, match="the sessions are of 2 experiments: shop_baseline, shop_polite"):
        suggest(*given, into=path)
    suggest(*given, into=path, parent="shop_baseline", take=2)
    config = load_experiment("shop_suggested", root=place.root)
    assert "Call check_limits before apply_coupon." in config.guidelines
    assert config.producer == load_experiment("shop_baseline", root=place.root).producer
    assert decide(place, "shop_suggested").decision == "accept"
    with pytest.raises(UsageError, match="is there already"):
        suggest(*given, into=path, parent="shop_baseline")


def test_a_second_trial_is_drawn_anew_and_no_copy_of_the_first(place):
    sets = ["producer.trials=2", "producer.rows=search", "design.n_max=58"]
    arms = [
        load_experiment(arm, root=place.root, sets=[*sets, f"experiment_id={arm}_twice"])
        for arm in ("shop_baseline", "shop_polite")
    ]
    run_experiment(place, Request(arms[0], arms[1], "fixed"), QUIET)
    logs = [read_records(path) for path in (place.mlruns / "experiments").glob("*.jsonl")]
    sessions = next(log for log in logs if any(record["trial"] == 1 for record in log))
    steps = {(r["experiment"], r["task"], r["trial"]): r["trajectory"] for r in sessions}
    again = [(steps[arm, task, 0], steps[arm, task, 1]) for arm, task, trial in steps if trial == 1]
    assert len(again) >= 50
    assert sum(first != second for first, second in again) > len(again) / 10


def killed_after(place, pairs):
    """Decide in a process of its own, and kill -9 it once so many pairs are recorded."""
    child = os.fork()
    if child == 0:
        try:
            decide(place, "shop_limits")
        finally:
            os._exit(0)
    end = time.monotonic() + HANGS
    while recorded(place) < pairs and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def recorded(place):
    if not (place.mlruns / "proven.db").is_file():
        return 0
    with contextlib.closing(open_store(place)) as store:
        return max((len(pairs) for _, pairs, _ in experiments(store)), default=0)


def test_killed_and_cut_off_by_its_budget_it_goes_on_to_the_same_decision(place, tmp_path):
    whole = decide(place, "shop_limits")
    other = Workspace(tmp_path)
    shutil.copytree(Path(place.root) / "configs", tmp_path / "configs")
    shutil.copytree(Path(place.root) / "corpora", tmp_path / "corpora")
    killed_after(other, 1)
    killed_after(other, 8)
    with pytest.raises(BudgetError):
        decide(other, "shop_limits", **{"run.max_calls": 60})
    store = open_store(other)
    (cut, pairs, none) = next(experiments(store))
    assert (cut.state, none) == ("exhausted", None)
    assert 8 <= len(pairs) < whole.pairs
    assert {one.name: one.value for one in kpis(store)}["pivots"] == 1
    again = decide(other, "shop_limits")
    assert again.run_id == cut.run_id
    assert (again.decision, again.pairs, again.path) == (whole.decision, whole.pairs, whole.path)
    assert (again.control.successes, again.test.successes) == (whole.control.successes, whole.test.successes)
    indices = [e.payload.split(",")[0] for e in store.events(cut.run_id, kind=EventKind.PAIR)]
    assert len(indices) == len(set(indices)) == again.pairs
    figures = {one.name: one for one in kpis(store)}
    assert figures["velocity"].value == 1
    assert figures["saved"].value == pytest.approx(again.saved)
    assert (figures["autonomy"].value, figures["pivots"].value) == (1.0, 0)
    assert 0 < figures["blocking"].value < 1
    store.close()
