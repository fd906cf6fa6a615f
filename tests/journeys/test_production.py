"""Prompts on their way into production: every command means the same one, says which, and trusts no changed record."""

import contextlib
import json
import shutil
import sqlite3

import pytest
import yaml

from tests.journeys.test_commands import gold, run
from tests.journeys.test_distill import promote_it, tamper


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A workspace with two promoted runs, of which the newer is the worse: (folder, better run, worse run)."""
    root = tmp_path_factory.mktemp("two")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl"), workspace=root)
    better = optimized(root, "--budget", "600")
    worse = optimized(
        root, "--optimizer", "mipro", "--budget", "300", "--set", "gate.alpha=0.4", "--set", "gate.beat_constant=false"
    )
    assert (better["verdict"], worse["verdict"]) == ("PROMOTE", "PROMOTE")
    assert worse["candidate"] < better["candidate"]
    return root, better["run_id"], worse["run_id"]


def optimized(root, *words):
    words = (*words, "--baseline", "seed", "--set", "tracking.rows=none", "--json")
    return json.loads(run("optimize", "triage", *words, workspace=root)[1])


@pytest.fixture
def shop(two, tmp_path):
    shutil.copytree(two[0], tmp_path / "shop")
    return tmp_path / "shop", *two[1:]


def asked(root, *words):
    return json.loads(run(*words, "--json", workspace=root)[1])


def refused(root, *words):
    code, _, err = run(*words, workspace=root, check=False)
    assert code == 77, err
    return err


def in_use(root):
    """What `show`, `export` and `diff` say is in use; the same from all of them."""
    said = {
        (body["source"], body["run_id"], body["prompt_hash"])
        for body in (asked(root, "show", "triage"), asked(root, "export", "triage"), asked(root, "diff", "triage"))
    }
    assert len(said) == 1
    return next(iter(said))[:2]


def aliases(root):
    """MLflow's aliases of the task's prompt, and the role or run of what each points to."""
    run("sync", workspace=root)
    with sqlite3.connect(root / "mlruns" / "mlflow.db") as db:
        rows = db.execute(
            "select alias, t.value from registered_model_aliases a join model_version_tags t "
            "on t.name = a.name and t.version = a.version and t.key = 'mlflow.prompt.text'"
        ).fetchall()
    db.close()
    return dict(rows)


def test_from_the_best_proven_over_the_champion_to_the_seed_and_back(shop):
    root, better, worse = shop
    assert in_use(root) == ("best proven", better)
    assert "the best proven run" in run("export", "triage", workspace=root)[2]

    body = asked(root, "promote", "triage", "--run", worse)
    assert (body["source"], body["run_id"]) == ("run", worse)
    assert [c["run_id"] for c in body["contenders"]] == [better, worse]
    assert in_use(root) == ("champion", worse)
    assert yaml.safe_load((root / "prompts" / "triage.yaml").read_text("utf-8"))["provenance"]["run_id"] == worse

    _, text, _ = run("promote", "triage", workspace=root)
    for piece in ("contenders, best proven first", "gepa", "mipro", "lift +0.600 [+0.", f"from {better}"):
        assert piece in text
    assert in_use(root) == ("champion", better)
    tuned = aliases(root)
    assert tuned["production"] != tuned["previous"]

    back = asked(root, "rollback", "triage")
    assert (back["source"], back["run_id"]) == ("champion", worse)
    assert aliases(root)["production"] == tuned["previous"]
    assert "previous" not in aliases(root)

    seed = asked(root, "rollback", "triage", "--to-seed")
    assert (seed["source"], seed["run_id"]) == ("seed", None)
    assert in_use(root) == ("seed", None)
    assert aliases(root)["production"] == "Read the text and determine the team."
    assert aliases(root)["previous"] == tuned["previous"]
    assert yaml.safe_load((root / "prompts" / "triage.yaml").read_text("utf-8"))["provenance"]["source"] == "seed"
    assert "no earlier champion" not in run("rollback", "triage", workspace=root)[1]
    assert in_use(root) == ("champion", worse)


def test_a_step_back_is_refused_unless_it_is_forced_which_is_recorded(shop):
    root, better, worse = shop
    run("promote", "triage", workspace=root)
    err = refused(root, "promote", "triage", "--run", worse)
    assert "a step back from the champion" in err
    assert "on the same rows" in err
    assert in_use(root) == ("champion", better)
    body = asked(root, "promote", "triage", "--run", worse, "--force")
    assert body["provenance"]["forced"] is True
    assert asked(root, "history", "triage")["champions"][-1]["forced"] is True


def test_the_champion_again_is_no_second_champion(shop):
    root, better, _ = shop
    run("promote", "triage", workspace=root)
    assert f"already {asked(root, 'show', 'triage')['prompt_hash']}" in run("promote", "triage", workspace=root)[1]
    assert [c["run_id"] for c in asked(root, "history", "triage")["champions"]] == [better]


def lower_a_score(body):
    assert body["holdout_candidate"]["rows"][3]["score"] == 1.0
    body["holdout_candidate"]["rows"][3]["score"] = 0.0


@pytest.mark.parametrize("words", [("export", "triage"), ("promote", "triage"), ("promote", "triage", "--force")])
def test_a_record_that_was_changed_is_refused_by_name_also_by_force(shop, words):
    root, better, worse = shop
    tamper(root, better, lower_a_score)
    said = refused(root, *words, "--run", better)
    assert f"run {better} is not what was recorded" in said
    assert "holdout" in said
    assert asked(root, *words, "--run", worse)["run_id"] == worse


def test_a_rollback_to_a_record_that_was_changed_is_refused_and_changes_nothing(shop):
    root, better, worse = shop
    run("promote", "triage", "--run", worse, workspace=root)
    run("promote", "triage", "--run", better, workspace=root)
    before = (root / "prompts" / "triage.yaml").read_bytes()
    tamper(root, worse, lambda body: body["winner"]["prompts"][0].update(instruction="Say kitchen."))
    said = refused(root, "rollback", "triage")
    assert f"run {worse} is not what was recorded" in said
    assert "winner" in said
    assert in_use(root) == ("champion", better)
    assert (root / "prompts" / "triage.yaml").read_bytes() == before
    assert asked(root, "rollback", "triage", "--to-seed")["source"] == "seed"
    assert asked(root, "rollback", "triage")["run_id"] == better
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "proven.db")) as db, db:
        db.execute("update champions set prompts = '[' where seq = 1")
    code, _, err = run("rollback", "triage", workspace=root, check=False)
    assert (code, "the champions of triage are not valid records any more" in err) == (66, True)


def test_a_verdict_that_was_changed_into_a_promotion_is_refused(shop):
    root, _, _ = shop
    held = optimized(root, "--optimizer", "bootstrap", "--budget", "60")
    assert held["verdict"] != "PROMOTE"
    tamper(root, held["run_id"], promote_it)
    with sqlite3.connect(root / "mlruns" / "proven.db") as db:
        db.execute("update runs set verdict = 'PROMOTE' where run_id = ?", (held["run_id"],))
    db.close()
    assert "the rows give" in refused(root, "export", "triage", "--run", held["run_id"])


def test_a_champion_that_was_changed_in_the_list_is_refused_and_can_be_promoted_again(shop):
    root, better, _ = shop
    run("promote", "triage", workspace=root)
    with sqlite3.connect(root / "mlruns" / "proven.db") as db:
        db.execute("update champions set prompts = replace(prompts, 'team', 'crew')")
    db.close()
    assert "the list of champions was changed" in refused(root, "export", "triage")
    assert asked(root, "promote", "triage")["run_id"] == better
    assert in_use(root) == ("champion", better)
