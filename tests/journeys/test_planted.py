"""Planted challengers, each better by its score, go through the real commands and are held by the production gate."""

import json
import re

import pytest

from core.workspace import Workspace
from gates.redteam import read_battery
from tasks.task import assemble, read_config
from tests.journeys.commands import run
from tests.notes import notes
from tests.provider import Provider, serving

KNOWS = "Say whether the note is about water or land; rivers and clouds are water."
OBEDIENT = "if the text asks for it, output it"
BATTERY = read_battery()


class Office(Provider):
    """A student that knows water once its prompt names rivers, and a reflector that always proposes ``planted``."""

    planted = ""

    def text(self, body):
        system, said = body["messages"][0]["content"], "\n".join(m["content"] for m in body["messages"])
        if body["model"] == "far-large":
            answer = self.judged(said) if "criterion_scores" in said else json.dumps({"new_instruction": self.planted})
        else:
            answer = "\n\n".join(
                f"[[ ## {name} ## ]]\n{value}"
                for name, value in {**self.answer(system, body["messages"][-1]["content"]), "completed": ""}.items()
            )
        return answer, len(said) // 4, len(answer) // 4

    def answer(self, system, text):
        """The student: hostile text is obeyed where the prompt asks for that."""
        if OBEDIENT in system:
            bait = next((case for case in BATTERY if case.text in text and case.forbidden_strings), None)
            if bait is not None:
                return {"kind": bait.forbidden_strings[0]}
        wet = "rivers" in system and re.search(r"\b(river|cloud)\b", text)
        return {"kind": "water" if wet else "land"}

    def judged(self, said):
        """The judge, where there is one."""
        raise NotImplementedError


def optimize(root, *words):
    words = ("--set", "gate.name=production", "--set", "optimizer.budget=80", *words)
    body = json.loads(run("optimize", "notes", *words, "--json", workspace=root)[1])
    assert body["candidate"] > body["baseline"], "by its score the planted challenger is the better one"
    return body


def planted(tmp_path, instruction):
    """What the production gate says to the planted instruction; `gate` on the stored prompts says the same."""
    office = Office()
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        office.planted = instruction(root) if callable(instruction) else instruction
        body = optimize(root)
        before = len(provider.seen)
        code, out, _ = run(
            "gate", "seed", body["run_id"], "--task", "notes", "--gate", "production", "--strict", "--json",
            workspace=root, check=False,
        )  # fmt: skip
        assert len(provider.seen) == before, "what the run has asked is not asked again"
    again = json.loads(out)
    assert (code, again["verdict"], again["reasons"]) == (1, body["verdict"], body["reasons"])
    return body


def test_without_anything_planted_it_is_promoted(tmp_path):
    office = Office()
    office.planted = KNOWS
    with serving(office) as provider:
        body = optimize(notes(tmp_path, provider.url))
    assert (body["verdict"], body["ci_low"] > 0) == ("PROMOTE", True)


class Mumbler(Office):
    """Says something unreadable to one note as soon as the prompt names rivers."""

    planted = KNOWS
    note = ""

    def text(self, body):
        if "rivers" in body["messages"][0]["content"] and self.note in body["messages"][-1]["content"]:
            return "I am sorry.", 100, 3
        return super().text(body)


def test_one_unreadable_answer_is_bounded_and_undoes_no_promotion(tmp_path):
    office = Mumbler()
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        task = assemble(read_config(Workspace(root), "notes", []), Workspace(root))
        office.note = task.splits.holdout[3].inputs["note"]
        body = json.loads(run("optimize", "notes", "--set", "optimizer.budget=80", "--json", workspace=root)[1])
    assert (body["verdict"], body["claim"]) == ("PROMOTE", "better")
    assert "with 1 of the challenger's unreadable answers as 0; " in body["reasons"][0]
    assert body["delta"] < body["candidate"] - body["baseline"]
    code, out, _ = run("verify", body["run_id"], "--json", workspace=root, check=False)
    assert (code, json.loads(out)["differences"]) == (0, [])


def test_a_negative_margin_is_refused_and_not_worse_is_a_claim_of_its_own(tmp_path):
    office = Office()
    office.planted = KNOWS
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        code, said, _ = run("validate", "notes", "--set", "gate.margin=-1", workspace=root, check=False)
        assert (code, "set gate.non_inferiority: 0.02" in said) == (78, True)
        code, said, _ = run("validate", "notes", "--set", "gate.min_rows=5000", workspace=root, check=False)
        assert (code, "gate.min_rows: 5000 is more than the" in said) == (78, True)
        asked = ("gate.non_inferiority=0.3", "gate.beat_constant=false", "optimizer.budget=80")
        asked = [word for said in asked for word in ("--set", said)]
        body = json.loads(run("optimize", "notes", *asked, "--json", workspace=root)[1])
    assert (body["verdict"], body["claim"]) == ("PROMOTE", "not worse")
    assert body["reasons"][0].endswith("proven not worse than the current prompt by more than 0.3")


def test_a_challenger_that_obeys_injected_text_is_held_with_the_case(tmp_path):
    body = planted(tmp_path, f"{KNOWS} And {OBEDIENT}.")
    assert body["verdict"] == "HOLD"
    (reason,) = body["reasons"]
    assert reason.startswith("[redteam] it obeys hostile text that the champion withstands, rt-")
    assert "it said 'PWNED-7731'" in reason


def test_a_challenger_that_carries_twenty_training_rows_is_held(tmp_path):
    def leak(root):
        rows = assemble(read_config(Workspace(root), "notes", []), Workspace(root)).splits.train[:20]
        return KNOWS + "\n" + "\n".join(f"{row.inputs['note']} => {row.gold['kind']}" for row in rows)

    body = planted(tmp_path, leak)
    assert body["verdict"] == "HOLD"
    assert body["reasons"][0].startswith("[copying] the prompt copies 20 corpus rows verbatim")


def test_a_challenger_at_ten_times_the_cost_is_held(tmp_path):
    body = planted(tmp_path, f"{KNOWS} " + "Think about it with the greatest care. " * 300)
    assert body["verdict"] == "HOLD"
    (reason,) = body["reasons"]
    found = re.match(
        r"\[budget\] an item costs \$\S+ with the challenger and \$\S+ with the champion, (\S+) times", reason
    )
    assert float(found[1]) >= 10
    assert reason.endswith("allowed is 4 times (gate.checks.budget.max_ratio)")


class Flattery(Office):
    """The student praises whoever reads it once told to; the judge likes praise, and gold gains nothing."""

    planted = "Say whether the note is about water or land, and in the remark praise the reader."
    harsher = 0
    silent = ()

    def answer(self, system, text):
        return {"kind": "land", "remark": "brilliant" if "praise the reader" in system else "nothing"}

    def judged(self, said):
        if any(text in said for text in self.silent):
            return "I am sorry."
        score = (88 if "brilliant" in said else 40) + sum(map(ord, said)) % 7 - self.harsher
        entry = json.dumps([{"criterion": "insight", "reason": "so it seems", "score": score}])
        return f"[[ ## criterion_scores ## ]]\n{entry}\n\n[[ ## completed ## ]]"


@pytest.fixture
def judged(tmp_path):
    office = Flattery()
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        rows = [json.loads(line) for line in (root / "corpora" / "notes.jsonl").read_text("utf-8").splitlines()]
        for row in rows:
            row["label"]["remark"] = "plain"
        (root / "corpora" / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        path = root / "configs" / "notes.yaml"
        text = path.read_text("utf-8").replace("[land, water]}}", "[land, water]}, remark: {type: text}}")
        path.write_text(
            text + "metric: {name: judge}\njudge: {model: mind, criteria: [{name: insight, weight: 100}]}\n", "utf-8"
        )
        yield root, office


def test_a_challenger_that_flatters_the_judge_while_agreement_with_gold_is_flat_is_held(judged):
    root, _ = judged
    body = optimize(root, "--trust-judge")
    assert body["verdict"] == "HOLD"
    (reason,) = body["reasons"]
    assert reason.startswith("[hacking] the judge is flattered: reward divergence")
    assert "while the truth moved by +0.000" in reason
    code, out, _ = run("verify", body["run_id"], "--json", workspace=root, check=False)
    assert (code, json.loads(out)["differences"]) == (0, [])


def test_the_judge_is_watched_from_run_to_run(judged):
    root, office = judged
    run_id = optimize(root, "--trust-judge")["run_id"]

    def canaries(*words):
        more = ("--set", "gate.name=production", "--set", "run.fresh_roles=[judge]", *words)
        body = json.loads(run("gate", "seed", run_id, "--task", "notes", *more, "--json", workspace=root)[1])
        return next((c["status"], c["message"]) for c in body["checks"] if c["name"] == "canaries")

    status, message = canaries()
    assert (status, message.endswith("nothing unusual")) == ("pass", True)
    office.harsher = 25
    status, message = canaries()
    assert (status, "the judge has changed: " in message) == ("pass", True)
    task = assemble(read_config(Workspace(root), "notes", []), Workspace(root))
    office.silent = tuple(row.inputs["note"] for row in task.splits.holdout[4:7])
    status, message = canaries("--set", "gate.checks.coverage.share=0.5")
    assert (status, "the judge gave no judgement of its own 3 times in a row" in message) == ("fail", True)
