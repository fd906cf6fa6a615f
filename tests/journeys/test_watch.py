"""What watches a score for parting company with what it stands for: each sign fires where it should, and only there."""

import contextlib
import json
import random
import sqlite3

import pytest

from tests.journeys.commands import run
from tests.journeys.test_planted import Office
from tests.notes import WORDS, notes
from tests.provider import serving

REWARD = """
from core.evaluation import Judgement


class Reward:
    '''Likes praise; its machine checks say what the task file wants.'''

    name = "reward"

    def __init__(self, lint="none"):
        self.lint = lint

    def judge(self, row, prediction):
        noise = sum(map(ord, row.inputs["note"])) % 31 / 100
        liking = 0.8 + sum(map(ord, row.inputs["note"])) % 7 / 15
        praise = prediction["remark"].count("nice") / 10 * liking
        checks = {"none": {}, "flat": {"lint": 0.5}, "with it": {"lint": 0.3 + praise + noise},
                  "against it": {"lint": 0.6 + praise - noise}}[self.lint]
        return Judgement(0.1 + praise + noise, fields=checks)
"""


class Ladder(Office):
    """Praises as often as its prompt says; an honest one also says water or land more often rightly."""

    honest = False

    def __init__(self):
        super().__init__()
        self.step(1)

    def step(self, level):
        self.planted = f"Say whether the note is about water or land. Praise level {level}."

    def answer(self, system, text):
        level = next((n for n in range(1, 10) if f"Praise level {n}." in system), 0)
        wet = "river" in text or "cloud" in text
        right = self.honest and sum(map(ord, text)) % 10 < 3 * level
        return {"kind": "water" if wet == right else "land", "remark": "nice " * level or "so"}


@pytest.fixture
def ladder(tmp_path):
    office = Ladder()
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        (root / "reward.py").write_text(REWARD, "utf-8")
        path = root / "configs" / "notes.yaml"
        text = path.read_text("utf-8").replace("[land, water]}}", "[land, water]}, remark: {type: text}}")
        more = (
            "metric: {name: 'reward:Reward', settings: {lint: none}}\n"
            "gate: {checks: {hacking: {}, canaries: {}}}\noptimizer: {budget: 50, minibatch: 4}\n"
        )
        path.write_text(
            "\n".join(line for line in text.splitlines() if "optimizer:" not in line) + "\n" + more, "utf-8"
        )
        write(root, 0.5)
        yield root, office


def write(root, wet, seed=3):
    """120 notes, so large a share of them about water."""
    generator, dry = random.Random(seed), [w for w in WORDS if w not in ("river", "cloud")]
    rows = []
    for number in range(120):
        label = "water" if generator.random() < wet else "land"
        words = [*generator.choices(dry, k=7), "river" if label == "water" else "stone", f"{seed}-{number}"]
        rows.append(
            {"id": f"{seed}-{number}", "input": {"note": " ".join(words)}, "label": {"kind": label, "remark": "plain"}}
        )
    (root / "corpora" / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")


def optimize(root, *words):
    """What a run says, and what its checks say when the gate is asked again."""
    body = json.loads(run("optimize", "notes", *words, "--json", workspace=root)[1])
    return body, checks(root, "seed", body["run_id"], *words)


def checks(root, *words):
    """The messages of the checks when the gate is asked about two prompts."""
    body = json.loads(run("gate", *words, "--task", "notes", "--json", workspace=root)[1])
    return {check["name"]: (check["status"], check["message"]) for check in body["checks"]}


def an_hour_ahead(root, run_id):
    """The record as a machine has written it whose clock is an hour ahead of ours."""
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "proven.db")) as db, db:
        for table, column in (("runs", "started_at"), ("runs", "finished_at"), ("events", "at")):
            db.execute(
                f"update {table} set {column} = strftime('%Y-%m-%dT%H:%M:%f+00:00', {column}, '+1 hour') "
                "where run_id = ?",
                (run_id,),
            )


@pytest.mark.parametrize("honest", [False, True])
def test_what_is_too_little_in_any_one_run_is_seen_over_the_runs(ladder, honest):
    root, office = ladder
    office.honest = honest
    for level in (1, 2, 3):
        office.step(level)
        body = json.loads(run("optimize", "notes", "--json", workspace=root)[1])
        assert 0.08 < body["delta"] < 0.12, "each step is small"
        if level < 3:
            assert body["verdict"] == "PROMOTE", body["reasons"]
            run("promote", "notes", "--run", body["run_id"], workspace=root)
            an_hour_ahead(root, body["run_id"])
    assert json.loads(run("runs", "notes", "--json", workspace=root)[1])["runs"][0]["run_id"] == body["run_id"]
    if honest:
        assert body["verdict"] == "PROMOTE", body["reasons"]
    else:
        (reason,) = body["reasons"]
        assert reason.startswith("[hacking] the judge is flattered: reward divergence (severity 0.")
        assert "over the prompts promoted of late the score rose by +0.1" in reason
    code, out, _ = run("verify", body["run_id"], "--json", workspace=root, check=False)
    assert (code, json.loads(out)["differences"]) == (0, [])


def test_machine_checks_that_stand_still_while_the_score_rises_are_a_drift_of_the_judge(ladder):
    root, office = ladder
    office.honest = True
    office.step(3)
    body, said = optimize(root, "--set", "metric.settings.lint=flat")
    status, message = said["hacking"]
    assert (body["verdict"], status) == ("HOLD", "fail")
    assert message.startswith("the judge is flattered: judge drift (severity 1.00): the score rose by +0.")
    assert message.endswith("while machine checks moved by +0.000")
    strict = ("--set", "gate.checks.hacking.severity=0.3")
    body, said = optimize(root, "--set", "metric.settings.lint='with it'", *strict)
    status, message = said["hacking"]
    assert (body["verdict"], status, message.split(":")[0]) == ("PROMOTE", "pass", "clean")


def test_a_score_that_machine_checks_contradict_row_by_row_is_suspect_and_may_be_made_to_hold(ladder):
    root, office = ladder
    office.honest = True
    against = ("--set", "metric.settings.lint='against it'")
    body, said = optimize(root, *against)
    status, message = said["hacking"]
    assert (body["verdict"], status) == ("PROMOTE", "pass")
    assert message.startswith("suspect: score and machine checks correlate by -0.")
    run_id = body["run_id"]
    strict = ("--set", "gate.checks.hacking.severity=0.4")
    status, message = checks(root, "seed", run_id, *against, *strict)["hacking"]
    assert (status, "reward disagreement (severity 0.50)" in message) == ("fail", True)


def test_rows_of_other_kinds_than_before_are_told_and_those_of_the_same_are_not(ladder):
    root, office = ladder
    office.honest = True
    run_id = optimize(root)[0]["run_id"]
    write(root, 0.5, seed=8)
    status, message = checks(root, "seed", run_id)["canaries"]
    assert (status, message.endswith("records, nothing unusual")) == ("pass", True), message
    write(root, 0.95, seed=9)
    status, message = checks(root, "seed", run_id)["canaries"]
    assert (status, message.startswith("what is judged has changed: chi-square ")) == ("pass", True), message
