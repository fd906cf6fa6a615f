"""``distill`` and ``verify`` end to end, as a person runs them."""

import contextlib
import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.journeys.commands import HOME, run

VERDICTS = HOME / "corpora" / "skill_verdicts.gold.jsonl"
FACILITY = Path(os.environ.get("PROVEN_DATA", "data")) / "facility_emails.jsonl"
SMALL = ("--generations", "1", "--population", "2")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace in which the verdicts of the repository were distilled."""
    root = tmp_path_factory.mktemp("distillery")
    _, out, err = run(
        "distill", "--gold", VERDICTS, "--run-dir", root, "--transfer", "offline/large", "--json", check=False
    )
    return root, json.loads(out), err


@pytest.fixture
def copy(shop, tmp_path):
    """The workspace again, to tamper with."""
    root, body, _ = shop
    shutil.copytree(root, tmp_path / "copy")
    return tmp_path / "copy", body["run_id"]


def test_the_verdicts_of_the_repository_end_in_a_verdict(shop):
    root, body, err = shop
    assert body["verdict"] in {"PROMOTE", "HOLD", "INCONCLUSIVE"}
    assert body["task"] == "distill-skill_verdicts"
    assert body["agreement_after"] > body["agreement_before"]
    assert "28 train, 13 dev, 12 holdout rows" in err
    assert "budget: 649 rollouts = 13 dev + 3 x 4 x (2 x 20 minibatch + 13 dev)" in err
    assert 0 < body["transfer"]["offline/large"] < 1
    assert body["teacher_cost"] is None
    assert body["student_cost"] > 0
    assert body["break_even"] is None
    assert not (root / "prompts").exists(), "nothing is exported by itself"


def test_the_report_tells_what_the_student_keeps(shop):
    root, body, _ = shop
    html = Path(body["report"]).read_text("utf-8")
    for section in ("the student and its teacher", "Where the student still differs", "What it saves", "other models"):
        assert section in html
    assert f"diff distill-skill_verdicts seed {body['run_id']} --workspace {root}" in html


def test_the_report_made_again_tells_it_as_well(shop, tmp_path):
    root, body, _ = shop
    run("report", body["run_id"], "--format", "markdown", "--out", tmp_path / "again.md", workspace=root)
    assert "the student and its teacher" in (tmp_path / "again.md").read_text("utf-8")


def test_the_printed_commands_work(shop, tmp_path):
    root, body, _ = shop
    with contextlib.chdir(tmp_path):
        for command in (body["export"], body["promote"]):
            run(*command.removeprefix("python cli.py ").split())
    assert (tmp_path / "distill-skill_verdicts.txt").read_text("utf-8").strip()
    assert (root / "prompts" / "distill-skill_verdicts.yaml").exists()
    _, out, _ = run("eval", "distill-skill_verdicts", "--prompts", body["run_id"], "--json", workspace=root)
    assert json.loads(out)["score"] == pytest.approx(body["dev_candidate"])


def test_the_built_in_teacher_is_replaced_with_figures_for_quality_money_and_break_even(tmp_path):
    words = ("distill", "--gold", HOME / "corpora" / "service_desk.gold.jsonl", "--generations", "1")
    _, out, _ = run(*words, "--set", "optimizer.minibatch=90", "--run-dir", tmp_path, "--json")
    body = json.loads(out)
    assert body["verdict"] == "PROMOTE"
    assert body["agreement_after"] - body["agreement_before"] > 0.2
    assert body["teacher_cost"] == pytest.approx(0.002727, abs=1e-6)
    assert 0 < body["student_cost"] < body["teacher_cost"] / 10
    assert 0 < body["break_even"] < 180, "fewer messages than the teacher was asked about"
    html = Path(body["report"]).read_text("utf-8")
    assert "service_desk (stand-in/opus)" in html
    assert "$2.7273" in html, "what the teacher takes for a thousand"
    code, _, err = run(*words, "--min-rows", "46", "--run-dir", tmp_path, check=False)
    assert (code, "gate.min_rows: 46 is more than the 45 rows of the holdout" in err) == (78, True)


def test_a_prompt_of_your_own_is_to_be_beaten_and_the_task_file_stays_as_it_is_or_was_edited(tmp_path):
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Audit the skill.\n", "utf-8")
    words = ("distill", "--gold", VERDICTS, "--baseline", prompt, *SMALL, "--run-dir", tmp_path / "w")
    run(*words)
    path = tmp_path / "w" / "configs" / "distill-skill_verdicts.yaml"
    assert "instruction: Audit the skill." in path.read_text("utf-8")
    assert f"unchanged: {path}" in run(*words, "--max-calls", "1", check=False)[2]
    path.write_text(path.read_text("utf-8").replace("Audit the", "Study the"), "utf-8")
    code, _, err = run(*words, check=False)
    assert code == 64
    assert "edited by hand" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--gold", "no.jsonl"], 65, "there is no such file"),
        (["--gold", VERDICTS, "--categorical", "verdict"], 64, "the gold has no field 'verdict'"),
        (["--gold", VERDICTS, "--gate", "prod"], 64, "unknown gate 'prod'; known: heldout, production"),
        (["--gold", VERDICTS, "--test-every-nth", "1"], 64, "at least 2"),
        (["--gold", VERDICTS, "--baseline", "no.txt"], 64, "cannot be read"),
        (["--gold", VERDICTS, "--transfer", "gtp"], 64, "unknown model 'gtp'"),
        (["--gold", VERDICTS, "--teacher", "cmd: x"], 64, "go together"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_spent(tmp_path, words, code, message):
    found, _, err = run("distill", *words, "--run-dir", tmp_path, check=False)
    assert (found, message in err) == (code, True), err
    assert not (tmp_path / "mlruns").exists()


def test_a_command_teaches_and_the_report_knows_how_long_it_took(tmp_path):
    (tmp_path / "audit.py").write_text(
        "import json, sys\nrow = json.load(sys.stdin)\n"
        "print(json.dumps({'team': 'kitchen' if 'stove' in row['text'] else 'garden'}))\n",
        "utf-8",
    )
    texts = [f"number {i}: {'the stove is broken' if i % 2 else 'cut the hedge please'} {i * 7}" for i in range(24)]
    inputs, gold = tmp_path / "inputs.jsonl", tmp_path / "teams.jsonl"
    inputs.write_text("\n".join(json.dumps({"id": f"t:{i}", "input": {"text": t}}) for i, t in enumerate(texts)))
    words = ("distill", "--gold", gold, "--inputs", inputs, "--teacher", f"cmd: {sys.executable} {tmp_path}/audit.py")
    code, _, err = run(*words, *SMALL, "--run-dir", tmp_path / "w", check=False)
    assert code == 64
    assert "24 starts of a command, at most " in err
    assert "what it costs is not known here; go on? Nobody is here to answer" in err
    assert not gold.exists(), "no process was started before somebody agreed"
    _, out, err = run(*words, *SMALL, "--run-dir", tmp_path / "w", "--json", "-y")
    assert "teacher: 24 frozen, 0 failed" in err
    body = json.loads(out)
    assert body["teacher_cost"] is None, "a command does not say what it cost"
    assert "verdicts with a measured teacher" in Path(body["report"]).read_text("utf-8")
    _, _, err = run(*words, *SMALL, "--run-dir", tmp_path / "w", "--max-calls", "1", check=False)
    assert "teacher: 0 of 24 rows to ask, 24 are frozen already" in err


def test_a_task_teaches_through_the_ledger_and_its_price_is_measured(shop, tmp_path):
    root, _, _ = shop
    rows = [json.loads(line) for line in VERDICTS.read_text("utf-8").splitlines()]
    inputs, gold = tmp_path / "inputs.jsonl", tmp_path / "second.jsonl"
    inputs.write_text("\n".join(json.dumps({"id": r["scenarioId"], "input": r["input"]}) for r in rows), "utf-8")
    _, out, err = run(
        "distill", "--gold", gold, "--teacher", "distill-skill_verdicts", "--inputs", inputs, *SMALL, "--json",
        workspace=root,
    )  # fmt: skip
    assert "teacher: 53 frozen, 0 failed" in err
    first = json.loads(gold.read_text("utf-8").splitlines()[0])["teacher"]
    assert (first["teacher"], first["model"]) == ("distill-skill_verdicts", "offline/small")
    assert first["cost_usd"] > 0
    assert len(first["prompt_hash"]) == 16
    assert json.loads(out)["teacher_cost"] > 0
    db = sqlite3.connect(root / "mlruns" / "ledger.db")
    answered, distinct = db.execute(
        "select count(*), count(distinct key) from calls where state = 'answered'"
    ).fetchone()
    assert answered == distinct > 53, "what the student was asked before is not paid again for the teacher"
    db.close()


# verify


def test_a_genuine_run_is_verified(shop):
    root, body, _ = shop
    code, out, _ = run("verify", body["run_id"], "--json", workspace=root)
    assert (code, json.loads(out)["differences"], json.loads(out)["notes"]) == (0, [], [])


def tamper(root, run_id, change, kind="finished"):
    """Change an event's payload in the store."""
    db = sqlite3.connect(root / "mlruns" / "proven.db")
    seq, payload = db.execute(
        "select seq, payload from events where run_id = ? and kind = ? order by seq desc", (run_id, kind)
    ).fetchone()
    body = json.loads(payload)
    change(body)
    db.execute("update events set payload = ? where seq = ?", (json.dumps(body), seq))
    db.commit()
    db.close()


def differences(root, run_id):
    code, out, _ = run("verify", run_id, "--json", workspace=root, check=False)
    body = json.loads(out)
    assert (code, body["verified"]) == (1, False)
    return "\n".join(body["differences"])


def raise_a_score(body):
    body["holdout_candidate"]["rows"][3]["score"] = 1.0


def lower_a_dev_score(body):
    body["candidates"][1]["dev_score"] = 0.01


def rewrite_the_prompt(body):
    body["winner"]["prompts"][0]["instruction"] += " And be kind."


def promote_it(body):
    body["verdict"]["decision"] = "PROMOTE"


def pass_a_check(body):
    for check in body["verdict"]["checks"]:
        check["status"] = "pass"


def narrow_the_interval(body):
    body["verdict"]["evidence"]["low"] = 0.1


def raise_the_lift(body):
    body["verdict"]["evidence"]["delta"] = 0.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (raise_a_score, "candidate row 'skill:"),
        (lower_a_dev_score, "candidate #1: dev score 0.01"),
        (rewrite_the_prompt, "winner: its prompt is not that of candidate"),
        (promote_it, "verdict: stored PROMOTE, the rows give"),
        (pass_a_check, "check 'lift': stored pass"),
        (narrow_the_interval, "low: stored 0.1"),
        (raise_the_lift, "delta: stored 0.5"),
    ],
)
def test_a_changed_outcome_is_caught_and_named(copy, change, named):
    root, run_id = copy
    tamper(root, run_id, change)
    found = differences(root, run_id)
    assert named in found
    assert "provenance: outcome" in found


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda b: b["holdout"][3].update(candidate=1.0), "holdout[3].candidate: recorded 1.0"),
        (lambda b: b["candidates"][1].update(content="sha256:0"), 'candidates[1].content: recorded "sha256:0"'),
        (lambda b: b.update(winner="sha256:0"), 'winner: recorded "sha256:0"'),
        (lambda b: b.update(decision="PROMOTE"), 'decision: recorded "PROMOTE"'),
        (lambda b: b.update(diff=""), 'diff: recorded ""'),
        (lambda b: b.update(backend="real"), "seal:"),
    ],
)
@pytest.mark.parametrize("where", ["event", "file"])
def test_a_changed_record_is_caught_in_the_store_and_in_the_file(copy, change, named, where):
    root, run_id = copy
    if where == "event":
        tamper(root, run_id, change, "provenance")
    else:
        path = root / "mlruns" / "reports" / f"{run_id}.provenance.json"
        body = json.loads(path.read_text("utf-8"))
        change(body)
        path.write_text(json.dumps(body), "utf-8")
    assert named in differences(root, run_id)


def test_a_missing_file_and_a_changed_candidate_are_named(copy):
    root, run_id = copy
    (root / "mlruns" / "reports" / f"{run_id}.provenance.json").unlink()
    tamper(root, run_id, lambda b: b["prompts"]["prompts"][0].update(instruction="another"), "candidate")
    found = differences(root, run_id)
    assert "provenance.json: cannot be read" in found
    assert "another prompt or other scores than were noted" in found


def test_a_changed_corpus_is_noted_and_is_no_difference(copy):
    root, run_id = copy
    (root / "corpora").mkdir(exist_ok=True)
    changed = root / "corpora" / "skill_verdicts.gold.jsonl"
    changed.write_text(VERDICTS.read_text("utf-8").replace("high", "low"), "utf-8")
    tamper(root, run_id, lambda b: b["config"]["corpus"].update(path=str(changed)), "started")
    code, out, _ = run("verify", run_id, "--json", workspace=root)
    assert code == 0
    assert "the corpus has changed since" in json.loads(out)["notes"][0]


@pytest.mark.skipif(not FACILITY.exists(), reason="PROVEN_DATA names no folder with facility_emails.jsonl")
def test_a_student_on_the_facility_emails_is_promoted(tmp_path):
    _, out, _ = run(
        "distill", "--gold", FACILITY, "--optimizer-model", "offline/large", "--run-dir", tmp_path, "--json"
    )
    body = json.loads(out)
    assert body["verdict"] == "PROMOTE"
    run("verify", body["run_id"], workspace=tmp_path)
