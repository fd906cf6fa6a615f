"""Metrics and programs of one's own: plain DSPy metrics, files of the workspace, and every mistake by its name."""

import json
import sys

import pytest

from calls.account import Account
from calls.ledger import Ledger
from core.errors import ConfigError
from core.evaluation import RowStatus
from core.workspace import Workspace
from programs.prompts import read_prompts
from tasks.task import assemble, read_config, student_evaluator
from tests.journeys.commands import run

TASK = """task: triage
instruction: Which team?
inputs: {text: {type: text}}
outputs: {team: {type: categorical, labels: [kitchen, garden]}}
corpus: {path: rows.jsonl}
"""
MINE = """
import math
import dspy
from beside import SHARE

def overlap(example, pred, trace=None):
    return example.team == pred.team

def five(gold, pred, trace, pred_name, pred_trace):
    return dspy.Prediction(score=0.25 if gold.text else 0, feedback="in between")

class Weighted:
    def __init__(self, weight=1.0):
        self.weight = weight
    def __call__(self, example, pred, trace=None):
        return self.weight * (example.team == pred.team)

class Ours:
    def judge(self, row, prediction):
        from core.evaluation import Judgement
        return Judgement(SHARE)

half = Weighted(0.5)
nothing = None
number = 3

def none(example, pred, trace=None):
    return None

def text(example, pred, trace=None):
    return "good"

def much(example, pred, trace=None):
    return 1.5

def nan(example, pred, trace=None):
    return math.nan

def boom(example, pred, trace=None):
    return 1 / 0

def sometimes(example, pred, trace=None):
    return None if example.text.endswith("3") else 1.0

def alone(example):
    return 1.0

class Loose:
    def judge(self, row, prediction):
        return 0.5

class Asks:
    def __call__(self, example, pred, trace=None):
        return len(dspy.settings.lm.spec.alias) / 10
"""
PROGRAM = """
import dspy
from .words import QUESTION

class Two(dspy.Module):
    def __init__(self):
        super().__init__()
        self.think = dspy.Predict("text -> hunch")
        self.say = dspy.Predict(dspy.Signature("text, hunch -> team", QUESTION))
    def forward(self, text):
        return self.say(text=text, hunch=self.think(text=text).hunch)

class One(dspy.Module):
    def __init__(self):
        super().__init__()
        self.say = dspy.Predict(dspy.Signature("text -> team", QUESTION))
    def forward(self, text):
        return self.say(text=text)

class Needy(dspy.Module):
    def __init__(self, size):
        super().__init__()

ready = One()
"""


@pytest.fixture
def shop(tmp_path):
    rows = [{"input": {"text": f"the {w} {i}"}, "label": {"team": t}} for i in range(20)
            for t, w in (("kitchen", "stove"), ("garden", "lawn"))]  # fmt: skip
    for path, text in {
        "rows.jsonl": "\n".join(map(json.dumps, rows)),
        "configs/triage.yaml": TASK,
        "mine.py": MINE,
        "beside.py": "SHARE = 0.75",
        "broken.py": "raise RuntimeError('not today')",
        "programs/mine.py": PROGRAM,
        "programs/words.py": "QUESTION = 'Whose business is it?'",
        "programs/absolute.py": "from programs.words import QUESTION",
        "metrics/mine.py": "def always(example, pred, trace=None):\n    return 0.5\n",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    return Workspace(tmp_path)


def made(shop, *sets):
    return assemble(read_config(shop, "triage", list(sets)), shop)


def score(task, team="kitchen"):
    return task.metric.judge(next(r for r in task.corpus.rows if r.gold["team"] == "kitchen"), {"team": team})


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("overlap", 1, 0), ("five", 0.25, 0.25), ("half", 0.5, 0), ("Weighted", 1, 0), ("Ours", 0.75, 0.75)],
)
def test_a_function_a_class_an_instance_and_a_metric_of_ours(shop, name, right, wrong):
    task = made(shop, f"metric.name=mine:{name}")
    assert (score(task).score, score(task, "garden").score) == (right, wrong)
    assert task.metric.name == f"mine:{name}"


def test_feedback_reaches_the_judgement_and_a_class_is_made_with_its_settings(shop):
    assert score(made(shop, "metric.name=mine:five")).feedback == "in between"
    assert score(made(shop, "metric={name: 'mine:Weighted', settings: {weight: 0.25}}")).score == 0.25


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("metric.name=mine:none", "returned None; allowed: a number in [0, 1]"),
        ("metric.name=mine:text", "returned 'good' (a str)"),
        ("metric.name=mine:much", "1.5, which is outside [0, 1]"),
        ("metric.name=mine:nan", "nan, which is outside [0, 1]"),
        ("metric.name=mine:boom", "ZeroDivisionError"),
        ("metric.name=mine:Loose", "judge() returned 0.5; it must return a Judgement"),
        ("metric.name=mine:alone", "mine:alone(example) is no metric"),
        ("metric.name=mine:number", "mine:number is a int; a metric is f(example, pred, trace=None)"),
        ("metric.name=mine:nothing", "mine:nothing is None"),
        ("metric.name=mine:overlp", "'mine' has no 'overlp' (did you mean 'overlap'?)"),
        ("metric.name=nowhere:x", "there is no module 'nowhere'"),
        ("metric.name=broken:x", "broken cannot be loaded: RuntimeError: not today"),
        ("metric={name: 'mine:Weighted', settings: {weigth: 1}}", "did you mean 'weight'?"),
        ("metric={name: 'mine:overlap', settings: {a: 1}}", "is no class"),
        ("metric={name: 'mine:Ours', models: [offline/small]}", "takes no models; give it bound(self, lms)"),
        ("metric.name=field_agrement", "did you mean 'field_agreement'?"),
        ("program=programs.mine:Needy", "programs.mine:Needy cannot be made: TypeError"),
        ("program=mine:number", "gave a int, not a dspy.Module"),
        ("program=programs.mine:Two", "one text cannot be the instruction of several predictors: think, say"),
        ("program=programs.absolute:QUESTION", "an installed package has that name; write: from .words import ..."),
    ],
)
def test_every_mistake_is_named(shop, said, why):
    with pytest.raises(ConfigError) as caught:
        made(shop, said)
    assert why in str(caught.value)


def test_validate_says_it_through_the_command(shop):
    path = shop.configs / "triage.yaml"
    path.write_text(TASK + "metric: {name: 'mine:much'}\n", "utf-8")
    code, out, err = run("validate", "triage", workspace=shop.root, check=False)
    assert code == 78
    assert "mine:much, tried on row" in out + err
    path.write_text(TASK + "metric: {name: 'mine:overlap'}\n", "utf-8")
    assert run("validate", "triage", workspace=shop.root)[0] == 0


def test_a_row_that_the_metric_cannot_score_is_a_metric_error_that_names_it(shop, tmp_path):
    task = made(shop, "metric.name=mine:sometimes")
    ledger = Ledger(tmp_path / "ledger.db")
    account = Account(ledger, "run", "triage")
    found = student_evaluator(task, account)(task.program, task.corpus.rows, split="dev")
    account.close()
    ledger.close()
    failed = [row for row in found.rows if row.status is RowStatus.METRIC_ERROR]
    assert len(failed) == 4
    assert failed[0].error.startswith("metric mine:sometimes: returned None")
    assert all(row.score is None for row in failed)


def test_a_metric_of_ones_own_asks_a_model_of_the_run(shop, tmp_path):
    task = made(shop, "metric={name: 'mine:Asks', models: [offline/small]}")
    assert [spec.alias for spec in task.judges] == ["offline/small"]
    ledger = Ledger(tmp_path / "ledger.db")
    account = Account(ledger, "run", "triage")
    with pytest.raises(ConfigError):
        made(shop, "metric={name: 'mine:Asks', settings: {no: 1}, models: [offline/small]}")
    metric = student_evaluator(task, account).metric
    with pytest.raises(ValueError, match="outside"):
        metric.judge(task.corpus.rows[0], {"team": "garden"})  # "offline/small" has 13 letters
    account.close()
    ledger.close()


def test_a_workspace_s_own_folders_are_found_although_packages_have_their_names(shop):
    before = list(sys.path)
    two = made(shop, "program=programs.mine:Two", "instruction=DROP")
    assert [p.predictor for p in read_prompts(two.program).prompts] == ["think", "say"]
    assert made(shop, "program=programs.mine:One").program.say.signature.instructions == "Which team?"
    assert made(shop, "program=programs.mine:ready").program.say.signature.instructions == "Which team?"
    plain = made(shop, "program=programs.mine:One", "instruction=DROP").program
    assert plain.say.signature.instructions == "Whose business is it?"
    assert score(made(shop, "metric.name=metrics.mine:always")).score == 0.5
    assert type(made(shop, "program=programs.follow_ups:FollowUps").program).__module__ == "programs.follow_ups"
    assert sys.path == before
    assert "beside" not in sys.modules


def test_two_workspaces_do_not_see_each_other_s_code(shop, tmp_path):
    other = Workspace(tmp_path / "other")
    (other.root / "configs").mkdir(parents=True)
    for name in ("rows.jsonl", "configs/triage.yaml", "mine.py"):
        (other.root / name).write_text((shop.root / name).read_text("utf-8"), "utf-8")
    (other.root / "beside.py").write_text("SHARE = 0.25", "utf-8")
    assert score(made(shop, "metric.name=mine:Ours")).score == 0.75
    assert score(made(other, "metric.name=mine:Ours")).score == 0.25


def test_a_models_file_without_the_embedded_models_does_not_break_a_task_that_names_no_student(shop):
    (shop.configs / "models.yaml").write_text("models: {mine: {model: openai/mine}}\n", "utf-8")
    assert made(shop).models["student"].alias == "offline/small"
