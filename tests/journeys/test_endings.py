"""One job opens the holdout once: several optimisers, a run killed after its verdict, a warning before more."""

import contextlib
import json
import signal

import pytest

from tests.journeys.commands import gold, run, started_code
from tracking.events import EventKind
from tracking.store import Store

KILLED = """
import os, signal, sys
import cli, commands.job

commands.job._written = lambda *rest: os.kill(os.getpid(), signal.SIGKILL)
sys.argv[0] = "cli.py"
cli.main()
"""
"""The command, killed between its verdict and its report."""


@pytest.fixture
def shop(tmp_path):
    run("init", tmp_path)
    run("init", "triage", "--from-gold", gold(tmp_path / "triage.jsonl"), workspace=tmp_path)
    return tmp_path


def openings(root, run_id=None):
    with contextlib.closing(Store(root / "mlruns" / "proven.db")) as store:
        query = "select count(*) from openings where ? is null or run_id = ?"
        return store._read(query, (run_id, run_id))[0][0]


def test_a_run_killed_after_its_verdict_ends_its_ending_and_opens_nothing_again(shop):
    words = ["optimize", "triage", "--budget", "600", "--json", "--workspace", str(shop)]
    assert started_code(KILLED, *words).ended()[0] == -signal.SIGKILL
    with contextlib.closing(Store(shop / "mlruns" / "proven.db")) as store:
        (killed,) = store.runs("triage")
        assert (store.state(killed), killed.verdict) == ("died", "PROMOTE")
        before = store.last(killed.run_id, EventKind.FINISHED).payload
        assert not store.has(killed.run_id, EventKind.REPORT)
    body = json.loads(run(*words)[1])
    assert (body["run_id"], body["verdict"], body["opening"]) == (killed.run_id, "PROMOTE", 1)
    assert openings(shop) == 1
    with contextlib.closing(Store(shop / "mlruns" / "proven.db")) as store:
        assert [event.payload for event in store.events(killed.run_id, kind=EventKind.FINISHED)] == [before]
        assert [store.state(r) for r in store.runs("triage")] == ["finished"]
    assert (shop / "mlruns" / "reports" / f"{killed.run_id}.html").exists()


SILENT = """
import os, signal, sys
import cli, commands.door

commands.door.finish = lambda *rest, **more: os.kill(os.getpid(), signal.SIGKILL)
sys.argv[0] = "cli.py"
cli.main()
"""
"""The command, killed after its record is closed and before it has printed a word."""


def test_a_run_killed_before_it_was_told_is_told_once_by_the_same_command(shop):
    words = ["optimize", "triage", "--budget", "600", "--json", "--workspace", str(shop)]
    assert started_code(SILENT, *words).ended()[:2] == (-signal.SIGKILL, "")
    with contextlib.closing(Store(shop / "mlruns" / "proven.db")) as store:
        (killed,) = store.runs("triage")
        assert (killed.state, killed.told) == ("finished", False)
    other = json.loads(run(*words, "--set", "optimizer.seed=4")[1])
    assert other["run_id"] != killed.run_id, "another command starts its own"
    _, out, err = run(*words)
    body = json.loads(out)
    assert (body["run_id"], body["verdict"], body["opening"], openings(shop)) == (killed.run_id, "PROMOTE", 1, 2)
    assert f"run {killed.run_id} had finished and was ended before it said so; --new starts another one" in err
    next_day = json.loads(run(*words)[1])
    assert (next_day["run_id"] != killed.run_id, next_day["opening"]) == (True, 3), "it was told, so this is a new wish"


def test_several_optimisers_search_the_best_on_dev_wins_and_the_holdout_opens_once(shop):
    words = ("optimize", "triage", "--optimizer", "bootstrap, gepa", "--budget", "200", "--threads", "2")
    plan = json.loads(run(*words, "--dry-run", "--json", workspace=shop)[1])
    alone = {
        name: json.loads(
            run("optimize", "triage", "--optimizer", name, "--budget", "200", "--dry-run", "--json", workspace=shop)[1]
        )
        for name in ("bootstrap", "gepa")
    }
    assert plan["optimizer"] == "bootstrap,gepa"
    assert max(a["cost_usd"] for a in alone.values()) < plan["cost_usd"] < sum(a["cost_usd"] for a in alone.values())
    body = json.loads(run(*words, "--json", workspace=shop)[1])
    assert (body["optimizer"], body["opening"], openings(shop)) == ("bootstrap,gepa", 1, 1)
    with contextlib.closing(Store(shop / "mlruns" / "proven.db")) as store:
        result = store.optimization(body["run_id"])
    found = {name: [c for c in result.candidates if c.optimizer == name] for name in ("", "bootstrap", "gepa")}
    assert [len(found[""]), result.candidates[0].origin] == [1, "seed"]
    assert found["bootstrap"]
    assert found["gepa"]
    best = max(c.dev_score for c in result.candidates)
    winner = result.candidates[result.winner_index]
    assert (winner.dev_score, winner.optimizer) == (best, body["found_by"])
    listed = {r["run_id"]: r for r in json.loads(run("runs", "triage", "--json", workspace=shop)[1])["runs"]}
    said = listed[body["run_id"]]["forecast"]
    assert (said["unit"], said["actual"]) == ("usd", pytest.approx(body["cost_usd"]))
    assert (said["low"], said["high"]) == (result.plan.cost_usd.low, result.plan.cost_usd.high)
    assert {r["forecast"] is None for r in listed.values() if r["kind"] == "forecast"} == {True}
    assert f" -> ${body['cost_usd']:.4f}" in run("runs", "triage", workspace=shop)[1]
    code, out, _ = run("report", body["run_id"], workspace=shop)
    assert code == 0
    assert winner.found in out + (shop / "mlruns" / "reports" / f"{body['run_id']}.html").read_text("utf-8")


def test_several_optimisers_that_met_their_cap_go_on_where_they_were(shop):
    words = ("optimize", "triage", "--optimizer", "bootstrap,gepa", "--budget", "200", "--threads", "2", "--json")
    code, out, _ = run(*words, "--max-calls", "170", workspace=shop, check=False)
    assert (code, json.loads(out)["ended"]) == (75, "exhausted")
    go_on = json.loads(run(*words, workspace=shop)[1])
    assert (go_on["run_id"], go_on["ended"]) == (json.loads(out)["run_id"], "finished")
    other = json.loads(run("optimize", "triage", "--optimizer", "gepa,bootstrap", *words[4:], workspace=shop)[1])
    assert other["run_id"] != go_on["run_id"]


def test_names_and_settings_of_several_optimisers_are_checked(shop):
    def refused(*words):
        code, _, err = run("optimize", "triage", "--dry-run", *words, workspace=shop, check=False)
        return code, err

    code, err = refused("--optimizer", "gepa,mirpo")
    assert (code, "did you mean 'mipro'" in err) == (64, True)
    code, err = refused("--optimizer", "gepa,gepa")
    assert (code, "several different ones separated by commas" in err) == (78, True)
    code, err = refused("--optimizer", "gepa,mipro", "--set", "optimizer.settings.patience=3")
    assert (code, "optimizer.settings.patience: with several optimisers, allowed are their names" in err) == (78, True)
    code, err = refused("--optimizer", "gepa,mipro", "--set", "optimizer.settings={mipro: {trails: 3}}")
    assert (code, "optimizer.settings.mipro.trails: unknown key; known to mipro" in err) == (78, True)


def test_every_command_warns_before_it_opens_a_holdout_again(shop):
    words = ("optimize", "triage", "--budget", "600", "--baseline", "seed")
    _, _, err = run("eval", "triage", "--split", "holdout", "--open-holdout", workspace=shop)
    assert "this is opening 1 of this holdout; what is judged on it next has level 0.013 instead of 0.05" in err
    _, out, err = run(*words, "--json", workspace=shop)
    again = "this will be opening {} of this holdout, judged at level {} instead of 0.05"
    assert again.format(2, 0.013) in err
    assert err.index("opening 2") < err.index("baseline on dev")
    body = json.loads(out)
    assert body["opening"] == 2
    _, out, err = run("gate", "seed", body["run_id"], "--task", "triage", "--json", workspace=shop)
    assert "opening" not in err  # asking again about the same prompt of the same run
    _, out, err = run("gate", body["run_id"], "seed", "--task", "triage", "--json", workspace=shop)
    assert again.format(3, 0.0056) in err
    assert json.loads(out)["opening"] == 3
