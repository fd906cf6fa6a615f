"""A whole distillation over real HTTP: three verdicts, a student that never sees a leak, one reflection that does."""

import json
from dataclasses import replace

import pytest

from core.verdict import Decision
from core.workspace import Workspace
from optimizers.distill import DistillSpec, run_distillation
from tasks.open_run import RunOptions
from tests.provider import Provider, serving
from tracking.store import Store

pytestmark = pytest.mark.usefixtures("forked")

GOLD = [
    ("skill:keep", "keep", "untested code", False, ["add_tests"], "train"),
    ("skill:leak", "improve", "holds a secret", True, ["sanitize"], "train"),
    ("skill:cut", "cut", "does nothing", False, ["remove"], "test"),
]
BETTER = "Copy the verdict. Raise the leak flag for secrets and say what to do."


class Auditors(Provider):
    """A student that copies the verdict and, once told to, sees leaks; a reflector that tells it."""

    def text(self, body):
        said = "\n".join(m["content"] for m in body["messages"])
        if body["model"] == "reflector":
            return json.dumps({"new_instruction": BETTER}), 500, 20
        question = body["messages"][-1]["content"]
        told = BETTER in said
        verdict = next(v for _, v, text, *_ in GOLD if text in question)
        leak = told and "secret" in question
        actions = ["sanitize"] if leak else ["add_tests"] if told and "untested" in question else []
        parts = {"value_verdict": verdict, "public_leak_risk": leak, "top_actions": json.dumps(actions)}
        return "\n\n".join(f"[[ ## {k} ## ]]\n{v}" for k, v in {**parts, "completed": ""}.items()), 100, 10


@pytest.fixture
def place(tmp_path):
    rows = [
        {
            "scenarioId": i,
            "input": {"text": text},
            "label": {"value_verdict": verdict, "public_leak_risk": leak, "top_actions": actions},
            "split": split,
        }
        for i, verdict, text, leak, actions, split in GOLD
    ]
    (tmp_path / "skills.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "configs").mkdir()
    return tmp_path


def test_three_verdicts_go_through_the_whole_loop(place):
    """The source ships at a lift of zero; our gate wants twenty rows and a proven lift, so it decides HOLD."""
    with serving(Auditors()) as provider:
        (place / "configs" / "models.yaml").write_text(
            "models:\n"
            f'  student: {{model: openai/student, api_base: "{provider.url}", input_price: 1, output_price: 2}}\n'
            f'  reflector: {{model: openai/reflector, api_base: "{provider.url}"}}\n',
            "utf-8",
        )
        spec = DistillSpec(
            model="student", optimizer_model="reflector", generations=1, population=2, reps=1,
            categorical=("value_verdict", "public_leak_risk"), array=("top_actions",),
        )  # fmt: skip
        done = run_distillation(
            place / "skills.jsonl", spec, workspace=Workspace(place),
            options=RunOptions(track=False),
        )  # fmt: skip
        store = Store(place / "mlruns" / "proven.db")
        provenance = [e for e in store.events(done.outcome.run_id) if e.kind == "provenance"]
        store.close()
    assert done.before == pytest.approx(2 / 3)
    assert done.after == pytest.approx(2 / 3)
    assert done.decision is Decision.HOLD
    assert done.winner == BETTER
    judged = [b for b in provider.seen if b["model"] == "student" and "does nothing" in b["messages"][-1]["content"]]
    assert len(judged) == 2, "each arm runs the one holdout row once"
    assert sum(b["model"] == "reflector" for b in provider.seen) >= 1
    assert [row.row_id for row in done.outcome.holdout_candidate.rows] == ["skill:cut"]
    assert done.outcome.holdout_candidate.rows[0].worth.cost_usd == pytest.approx((100 * 1 + 10 * 2) / 1e6)
    assert provider.repeated == 0
    assert json.loads(provenance[-1].payload)["backend"] == "real"


def test_a_comparator_and_a_metric_of_ones_own_decide_what_agreement_is(place):
    rows = [
        {"id": f"{team} {i}", "input": {"text": f"the {word} {i}"}, "label": {"team": team}}
        for i in range(20)
        for team, word in (("kitchen", "stove"), ("garden", "lawn"))
    ]
    (place / "teams.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (place / "third.py").write_text("def third(example, pred, trace=None):\n    return 1 / 3\n", "utf-8")
    options = RunOptions(track=False)
    spec = DistillSpec(generations=1, population=1)
    seen = []

    def quarter(gold, produced):
        seen.append((gold["team"], produced["team"]))
        return 0.25

    workspace = Workspace(place)
    by_function = run_distillation(
        place / "teams.jsonl", spec, workspace=workspace, options=options, comparator=quarter
    )
    by_name = run_distillation(
        place / "teams.jsonl", replace(spec, metric="third:third"), workspace=workspace, options=options
    )
    assert by_function.outcome.dev_baseline.mean == pytest.approx(0.25)
    assert {gold for gold, _ in seen} == {"kitchen", "garden"}
    assert by_name.outcome.dev_baseline.mean == pytest.approx(1 / 3)
