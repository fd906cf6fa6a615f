"""A task's metric in a person's own script: dspy.Evaluate, GEPA and MIPROv2, and examples that cannot be scored."""

import json

import dspy
import pytest

from calls.account import Account
from calls.failures import Halt
from calls.ledger import Ledger
from calls.lm import build_lm
from core.workspace import Workspace
from tasks.task import assemble, dspy_metric, read_config

TASK = """task: triage
instruction: Which team?
inputs: {text: {type: text}}
outputs: {team: {type: categorical, labels: [kitchen, garden]}, urgent: {type: boolean}}
corpus: {path: rows.jsonl}
"""
WORDS = {"kitchen": ["stove", "oven", "sink"], "garden": ["lawn", "hedge", "pond"]}


@pytest.fixture
def shop(tmp_path):
    """The assembled task and an account."""
    rows = [
        {"input": {"text": f"the {word} again {i}"}, "label": {"team": team, "urgent": i % 2 == 0}}
        for i in range(10)
        for team, words in WORDS.items()
        for word in words
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "triage.yaml").write_text(TASK, "utf-8")
    workspace = Workspace(tmp_path)
    ledger = Ledger(tmp_path / "ledger.db")
    account = Account(ledger, "run", "triage")
    yield assemble(read_config(workspace, "triage", []), workspace), account
    account.close()
    ledger.close()


def examples(task, n):
    return [dspy.Example(**row.inputs, **row.gold).with_inputs("text") for row in task.corpus.rows[:n]]


def test_a_call_gives_a_number_with_feedback_that_is_true_from_the_threshold_on(shop):
    task, account = shop
    metric = dspy_metric(task, account)
    example = dspy.Example(text="the stove", team="kitchen", urgent=True).with_inputs("text")
    half = metric(example, dspy.Prediction(team="kitchen", urgent=False))
    assert (float(half), half.score, bool(half)) == (0.5, 0.5, False)
    assert "urgent: wrong - expected true, got false" in half.feedback
    assert bool(metric(example, dspy.Prediction(team="kitchen", urgent=True), [], "analyse", []))


def test_an_example_without_gold_and_a_prediction_of_other_fields_end_the_run(shop):
    task, account = shop
    metric = dspy_metric(task, account)
    bare = dspy.Example(text="the stove").with_inputs("text")
    with pytest.raises(Halt, match="no gold: it has text, and it compares team, urgent"):
        metric(bare, dspy.Prediction(team="kitchen"))
    good = dspy.Example(text="the stove", team="kitchen", urgent=True).with_inputs("text")
    with pytest.raises(Halt, match="the prediction has answer, and none of what is compared"):
        metric(good, dspy.Prediction(answer="kitchen"))
    student = build_lm(task.models["student"], "student", account)
    with dspy.context(lm=student), pytest.raises(Halt, match="no gold"):
        dspy.Evaluate(devset=[good, bare], metric=metric, num_threads=1)(task.program)


def test_evaluate_gepa_and_mipro_take_it(shop):
    task, account = shop
    metric = dspy_metric(task, account)
    train, dev = examples(task, 20), examples(task, 60)[20:40]
    lms = {role: build_lm(task.models[role], role, account) for role in ("student", "reflector", "proposer")}
    with dspy.context(lm=lms["student"], adapter=task.adapter):
        before = dspy.Evaluate(devset=dev, metric=metric, num_threads=2)(task.program)
        assert 0 < before.score < 100
        assert before.score == pytest.approx(100 * sum(float(score) for *_, score in before.results) / 20, abs=0.01)
        gepa = dspy.GEPA(metric=metric, reflection_lm=lms["reflector"], max_metric_calls=120, num_threads=1, seed=0)
        better = gepa.compile(task.program, trainset=train, valset=dev)
        assert dspy.Evaluate(devset=dev, metric=metric, num_threads=1)(better).score > before.score
        mipro = dspy.MIPROv2(
            metric=metric, prompt_model=lms["proposer"], task_model=lms["student"], auto=None, num_candidates=2,
            max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=1, seed=1,
        )  # fmt: skip
        tuned = mipro.compile(task.program, trainset=train, valset=dev, num_trials=2, minibatch=False)
        assert dspy.Evaluate(devset=dev, metric=metric, num_threads=1)(tuned).score >= before.score


def test_bootstrapping_accepts_only_traces_from_the_threshold_on(shop):
    task, account = shop
    metric = dspy_metric(task, account)
    wrong = [dspy.Example(text=f"the stove {i}", team="garden", urgent="perhaps").with_inputs("text") for i in range(5)]
    with dspy.context(lm=build_lm(task.models["student"], "student", account), adapter=task.adapter):
        made = dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=4, max_labeled_demos=0).compile(
            task.program, trainset=wrong
        )
    assert not [demo for _, predictor in made.named_predictors() for demo in predictor.demos]
