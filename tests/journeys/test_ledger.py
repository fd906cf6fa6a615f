"""``calls`` and ``ledger``: what a run asked, and a record of calls that stays small."""

import json
import sqlite3

import pytest

from tests.journeys.commands import gold, run


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with one scored prompt, and one whose run had a cap that it met."""
    root = tmp_path_factory.mktemp("shop")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl"), workspace=root)
    run("init", "other", "--from-gold", gold(root / "other.jsonl", seed=4), workspace=root)
    run("eval", "triage", workspace=root)
    code, _, _ = run("eval", "other", "--max-calls", "5", "--threads", "1", workspace=root, check=False)
    assert code == 75
    _, out, _ = run("runs", "--json", workspace=root)
    runs = {entry["task"]: entry for entry in json.loads(out)["runs"]}
    return root, runs


def test_calls_lists_what_a_run_asked_and_shows_one_row_in_full(shop):
    root, runs = shop
    run_id = runs["triage"]["run_id"]
    _, out, _ = run("calls", run_id, workspace=root)
    head, *lines, last = out.splitlines()
    assert head.split() == ["role", "row", "model", "state", "in", "out", "money", "seconds"]
    assert len(lines) == runs["triage"]["calls"]
    assert last == "one row with all that was said: --row ID"
    row = lines[0].split()[1]
    _, out, _ = run("calls", run_id, "--row", row, workspace=root)
    assert f"row {row}, answered" in out
    assert "-- system\n" in out
    assert "-- answer\n[[ ## team ## ]]" in out
    _, out, _ = run("calls", run_id, "--row", row, "--json", workspace=root)
    (call,) = json.loads(out)["calls"]
    assert (call["row_id"], call["role"], call["state"]) == (row, "student", "answered")
    assert call["outputs"][0].startswith("[[ ## team ## ]]")
    assert call["cost_usd"] > 0


def test_a_row_or_role_without_calls_is_named(shop):
    root, runs = shop
    code, _, err = run("calls", runs["triage"]["run_id"], "--role", "studnt", workspace=root, check=False)
    assert (code, "did you mean 'student'" in err) == (64, True)
    code, _, err = run("calls", runs["triage"]["run_id"], "--row", "nowhere", workspace=root, check=False)
    assert (code, "--row: received 'nowhere'" in err) == (64, True)


def test_pruning_exports_and_forgets_old_calls_but_keeps_those_of_unfinished_runs(shop):
    root, runs = shop
    paid, kept = runs["triage"]["calls"], runs["other"]["calls"]
    db = sqlite3.connect(root / "mlruns" / "ledger.db")
    with db:
        db.execute("update calls set at = '2025-03-01T00:00:00Z'")
    db.close()
    file = root / "old.jsonl"
    _, out, _ = run("ledger", "--prune-before", "2026-01-01", "--export", file, "--json", workspace=root)
    body = json.loads(out)
    assert (body["exported"], body["pruned"], body["kept"], body["kept_for"]) == (paid + kept, paid, kept, ["other"])
    assert len([json.loads(line)["messages"] for line in file.read_text("utf-8").splitlines()]) == paid + kept
    assert file.stat().st_mode & 0o077 == 0
    _, out, _ = run("ledger", workspace=root)
    assert f"{kept} answered" in out
    _, out, _ = run("eval", "other", "--threads", "1", "--json", workspace=root)  # continues the unfinished run
    scored = json.loads(out)["n"]
    _, out, _ = run("runs", "other", "--json", workspace=root)
    assert [(e["state"], e["calls"]) for e in json.loads(out)["runs"]] == [("finished", scored)]
    code, _, err = run("ledger", "--prune-before", "last week", workspace=root, check=False)
    assert (code, "received 'last week'; allowed: a day such as" in err) == (64, True)
