"""``gate`` end to end: two stored prompts, a verdict, an exit code and a JUnit file."""

import json
import xml.etree.ElementTree as ET

import pytest

from core.workspace import Workspace
from tasks.task import assemble, read_config
from tests.journeys.commands import gold, run
from tracking.store import Store

CHEAP = ("--set", "gate.checks.budget.max_ratio=50")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with one task and one finished run."""
    root = tmp_path_factory.mktemp("shop")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl"), workspace=root)
    _, out, _ = run("optimize", "triage", "--budget", "600", "--threads", "2", "--json", workspace=root)
    return root, json.loads(out)["run_id"]


def gate(root, *words):
    code, out, _ = run("gate", *words, "--task", "triage", "--strict", "--json", workspace=root, check=False)
    return code, json.loads(out)


def test_a_better_prompt_is_promoted_by_the_production_gate(shop):
    root, run_id = shop
    code, body = gate(root, "seed", run_id, "--gate", "production", *CHEAP)
    assert (code, body["verdict"]) == (0, "PROMOTE")
    assert {check["status"] for check in body["checks"]} == {"pass"}
    assert body["reasons"][0].startswith("[lift]")


def test_asking_again_about_the_same_run_is_the_same_opening(shop):
    root, run_id = shop
    assert gate(root, "seed", run_id, "--gate", "heldout")[1]["opening"] == 1
    assert gate(root, "seed", run_id, "--gate", "production", *CHEAP)[1]["opening"] == 1
    assert gate(root, run_id, "seed")[1]["opening"] == 2  # another candidate
    store = Store(root / "mlruns" / "proven.db")
    workspace = Workspace(root)
    holdout = assemble(read_config(workspace, "triage", ()), workspace).splits.holdout_identity
    assert store.openings_that_count(holdout) == 2
    store.close()


def test_a_worse_prompt_is_held_with_exit_code_1_and_a_junit_file(shop):
    root, run_id = shop
    target = root / "out" / "gate.xml"
    code, body = gate(root, run_id, "seed", "--gate", "production", "--junit", str(target))
    assert (code, body["verdict"]) == (1, "HOLD")
    suite = ET.fromstring(target.read_text("utf-8")).find("testsuite")
    assert suite.attrib["tests"] == str(len(body["checks"]))
    failed = [case.attrib["name"] for case in suite.iter("testcase") if case.find("failure") is not None]
    assert "lift" in failed


def test_the_same_prompt_is_held_and_the_holdout_stays_closed(shop):
    root, _ = shop
    code, body = gate(root, "seed", "seed")
    assert (code, body["verdict"], body["opening"]) == (1, "HOLD", None)
    assert body["reasons"] == ["[no-op] challenger and champion are the same prompt, so there is nothing to promote"]


def test_people_read_every_check_and_wrong_words_get_help(shop):
    root, run_id = shop
    tight = ("--set", "gate.checks.budget.max_ratio=1.01")
    code, out, _ = run("gate", "seed", run_id, "--task", "triage", "--gate", "production", *tight, workspace=root)
    assert code == 0  # a HOLD is an answer; only --strict makes it an exit code
    assert "HOLD" in out
    assert "[budget] an item costs" in out
    assert "redteam" in out
    code, _, err = run("gate", "seed", run_id, "--task", "triage", "--gate", "prodution", workspace=root, check=False)
    assert code == 78
    assert "did you mean 'production'?" in err
    code, _, err = run("gate", "seed", "champion", "--task", "triage", workspace=root, check=False)
    assert code == 64
    assert "no champion yet" in err
