"""`import proven` in scripts of fifteen lines, and every example of docs/library.md, as a person would run them."""

import contextlib
import json
import os
import re
import subprocess
import sys

import dspy
import pytest

import proven
from core.errors import UsageError
from core.workspace import Workspace
from tasks.open_run import open_store
from tests.journeys.commands import HOME, gold, run, started_code
from tests.provider import Provider, serving

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
LOAD_OPTIMISE_READ = """
import proven
task = proven.load_task("triage")
done = proven.optimize("triage", optimizer="gepa", budget=600, seed=0, threads=2)
evidence = done.verdict.evidence
print(task.name, done.verdict.decision, evidence.low > 0, len(done.candidates) > 1)
print(done.winner.prompts[0].instruction)
print(done.run_id)
"""
OWN_PROGRAM = """
import dspy
class Two(dspy.Module):
    def __init__(self):
        super().__init__()
        self.think = dspy.Predict(dspy.Signature("text -> hunch", "What is it about?"))
        self.say = dspy.Predict(dspy.Signature("text, hunch -> team", "Which team?"))
    def forward(self, text):
        return self.say(text=text, hunch=self.think(text=text).hunch)
"""
OWN_METRIC = """
def length(example, pred, trace=None):
    return dspy.Prediction(score=len(str(pred.team)) / 1000, feedback="longer!")
import dspy
"""
OWN_TASK = """parent: triage
task: mine
instruction: DROP
program: programs.mine:Two
metric: {name: "metrics.mine:length"}
"""
OWN = """
import proven
found = proven.evaluate("mine", split="dev")
print(round(found.mean * 1000, 6) == round(sum(len(row.prediction["team"]) for row in found.rows) / len(found.rows), 6))
done = proven.optimize("mine", optimizer="bootstrap", budget=60)
print([prompt.predictor for prompt in done.winner.prompts], done.params["metric"])
"""
IN_PLAIN_DSPY = """
import dspy, proven
from calls.account import Account
from calls.ledger import Ledger
from calls.lm import build_lm
task = proven.load_task("triage")
book = [dspy.Example(**row.inputs, **row.gold).with_inputs("text") for row in task.corpus.rows]
account = Account(Ledger(task.root / "mine.db"), "mine", task.name)
student, mind = (build_lm(task.models[role], role, account) for role in ("student", "reflector"))
metric = proven.metric("triage")
with dspy.context(lm=student, adapter=task.adapter):
    score = dspy.Evaluate(devset=book[40:70], metric=metric, num_threads=2)
    gepa = dspy.GEPA(metric=metric, reflection_lm=mind, max_metric_calls=150, num_threads=1, seed=0)
    print(score(task.program).score < score(gepa.compile(task.program, trainset=book[:20], valset=book[20:40])).score)
"""


def python(text, folder):
    """Run a script in a folder as a person would; returns its lines."""
    code, out, err = started_code(text, cwd=folder).ended()
    assert code == 0, err
    return out.splitlines()


def runs(folder):
    """Kind and state of every run, the newest first."""
    with contextlib.closing(open_store(Workspace(folder))) as store:
        return [(summary.kind, summary.state) for summary in store.runs()]


@pytest.fixture
def shop(tmp_path):
    """A workspace with the task `triage`."""
    (tmp_path / "configs").mkdir()
    run("init", "triage", "--from-gold", gold(tmp_path / "triage.jsonl"), workspace=tmp_path)
    return tmp_path


@pytest.mark.parametrize("script", [LOAD_OPTIMISE_READ, OWN, IN_PLAIN_DSPY])
def test_the_scripts_have_at_most_fifteen_lines(script):
    assert len(script.strip().splitlines()) <= 15


def test_load_optimise_read_and_the_command_sees_the_same_run(shop):
    first, *instruction, run_id = python(LOAD_OPTIMISE_READ, shop)
    assert first == "triage PROMOTE True True"
    assert runs(shop) == [("optimize", "finished")]
    listed = json.loads(run("runs", "--json", workspace=shop)[1])
    assert run_id in json.dumps(listed)
    assert (shop / "mlruns" / "reports" / f"{run_id}.html").is_file()
    assert run("verify", run_id, workspace=shop)[0] == 0
    for form in ("text", "messages", "dspy", "yaml", "python"):
        run("export", "triage", "--format", form, "--out", shop / "out", workspace=shop)
        assert proven.export("triage", format=form, workspace=shop) == (shop / "out").read_text("utf-8")
        refused, _, err = run("export", "triage", "--format", form, "--predictor", "nope", workspace=shop, check=False)
        assert (refused, "received 'nope'" in err) == (64, True), form
    assert proven.export("triage", workspace=shop).strip() == "\n".join(instruction).strip()
    _, again, _ = run("optimize", "triage", "--budget", "600", "--seed", "0", "--json", workspace=shop)
    assert json.loads(again)["calls"] == 0, "what the script has asked is in the ledger"


def test_a_program_and_a_metric_of_ones_own_in_a_workspace(shop):
    for path, text in {
        "programs/mine.py": OWN_PROGRAM,
        "metrics/mine.py": OWN_METRIC,
        "configs/mine.yaml": OWN_TASK,
    }.items():
        (shop / path).parent.mkdir(exist_ok=True)
        (shop / path).write_text(text, "utf-8")
    assert python(OWN, shop) == ["True", "['think', 'say'] metrics.mine:length"]
    assert sorted(runs(shop)) == [("eval", "finished"), ("optimize", "finished")]


OWN_OPTIMIZER = """
import dspy
from metrics.metric import float_metric
from optimizers.base import journalled

class Told:
    name = "told"

    def run(self, search):
        program = search.program.deepcopy()
        predictor = program.predictors()[0]
        signs = {}
        for example in search.train.examples:
            signs.setdefault(example.team, []).append(example.text)
        told = [f"{team}: {'; '.join(texts)}." for team, texts in sorted(signs.items())]
        text = " ".join([predictor.signature.instructions, *told])
        predictor.signature = predictor.signature.with_instructions(text)
        score = float_metric(search.metric, search.dev, search.unscored)
        evaluate = dspy.Evaluate(devset=search.dev.examples, metric=score, num_threads=search.threads)
        with journalled(search, lambda trial: f"told {trial}"):
            evaluate(program)
"""


def test_an_optimiser_of_ones_own_in_a_workspace(shop):
    (shop / "optimizers").mkdir()
    own = shop / "optimizers" / "mine.py"
    own.write_text(OWN_OPTIMIZER, "utf-8")
    words = ("optimize", "triage", "--optimizer", "optimizers.mine:Told", "--json")
    body = json.loads(run(*words, workspace=shop)[1])
    assert (body["optimizer"], body["candidates"], body["n"] > 0) == ("optimizers.mine:Told", 2, True)
    both = json.loads(run(*words[:3], "optimizers.mine:Told,bootstrap", "--json", workspace=shop)[1])
    assert both["candidates"] > 2
    for text, says in (
        (OWN_OPTIMIZER.replace('name = "told"', 'name = "../told"'), "received '../told'"),
        (OWN_OPTIMIZER.replace("def run(", "def go("), "it has no run(search)"),
        (OWN_OPTIMIZER.replace("class Told", "class Tolld"), "did you mean 'Tolld'?"),
    ):
        own.write_text(text, "utf-8")
        code, out, err = run(*words[:4], workspace=shop, check=False)
        assert (code, says in out + err) == (78, True), out + err


def test_a_metric_inside_plain_evaluate_and_gepa(shop):
    assert python(IN_PLAIN_DSPY, shop)[-1] == "True"  # above it are the bars of DSPy
    assert runs(shop) == [], "a metric that asks no model has nothing to record"


JUDGED = """
import dspy, proven
metric = proven.metric("judged", max_calls=5)
example = dspy.Example(text="the stove", team="kitchen").with_inputs("text")
print([float(metric(example, dspy.Prediction(team="kitchen"))) for _ in range(2)])
"""


def test_a_judge_s_metric_is_recorded_and_paid_once_and_closes_with_the_script(shop):
    with serving(Provider()) as provider:
        (shop / "configs" / "models.yaml").write_text(
            f'models:\n  wise: {{model: openai/wise, api_base: "{provider.url}", input_price: 1, output_price: 2}}\n',
            "utf-8",
        )
        (shop / "configs" / "judged.yaml").write_text(
            "parent: triage\ntask: judged\nmetric: {name: judge}\n"
            "judge: {model: wise, criteria: [{name: right, weight: 60}, {name: short, weight: 40}]}\n",
            "utf-8",
        )
        first = python(JUDGED, shop)
        asked = len(provider.seen)
        assert asked >= 1
        assert python(JUDGED, shop) == first
        assert len(provider.seen) == asked, "the second script finds its judgements in the ledger"
    assert runs(shop) == [("metric", "finished")] * 2


def test_a_closed_metric_says_so(shop):
    with proven.metric("triage", workspace=shop) as metric:
        example = dspy.Example(text="the stove", team="kitchen").with_inputs("text")
        assert float(metric(example, dspy.Prediction(team="kitchen"))) == 1
    with pytest.raises(BaseException, match="is closed"):
        metric(example, dspy.Prediction(team="kitchen"))


def test_mistakes_of_a_script_are_named(shop):
    task = proven.load_task("triage", workspace=shop)
    with pytest.raises(UsageError, match=r"loaded already and cannot be changed any more, received run\.max_calls=3"):
        proven.optimize(task, max_calls=3)
    with pytest.raises(UsageError, match="looking at the holdout uses it up"):
        proven.evaluate(task, split="holdout")
    with pytest.raises(UsageError, match="no champion"):
        proven.gate(task, "champion", "seed")
    with pytest.raises(AttributeError, match="no attribute 'optimise'"):
        proven.optimise  # noqa: B018


def test_gold_that_contradicts_the_declared_outputs_is_named_by_validate(shop):
    for said, why in (
        ("outputs.team.labels=[kitchen, gardn, office]", "(did you mean 'gardn'?)"),
        ("outputs={taem: {type: text}}", "(did you mean 'team'?)"),
    ):
        code, out, _ = run("validate", "triage", "--set", said, workspace=shop, check=False)
        assert (code, why in out) == (78, True), out
    assert "another gold value; row " in run("validate", "triage", "--set",
        "outputs.team.labels=[kitchen, office]", workspace=shop, check=False)[1]  # fmt: skip


def test_distill_takes_a_metric_of_ones_own_and_overrides(shop):
    (shop / "metrics").mkdir()
    (shop / "metrics" / "mine.py").write_text("def third(example, pred, trace=None):\n    return 1 / 3\n", "utf-8")
    words = ("distill", "--gold", shop / "triage.jsonl", "--generations", "1", "--population", "1", "--json")
    _, out, _ = run(
        *words, "--metric", "metrics.mine:third", "--min-rows", "20", "--set", "run.pilot=3", workspace=shop
    )
    assert json.loads(out)["dev_baseline"] == pytest.approx(1 / 3)
    code, _, err = run(*words, "--min-rows", "5000", workspace=shop, check=False)
    assert (code, "min_rows" in err) == (78, True)


def test_importing_it_loads_nothing_heavy(tmp_path):
    heavy = "sorted({'dspy', 'mlflow', 'numpy', 'scipy', 'pydantic', 'litellm', 'typer'} & set(sys.modules))"
    words = [sys.executable, "-c", f"import sys, proven; print({heavy})"]
    env = {**os.environ, "PYTHONPATH": str(HOME)}
    assert subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=env, check=True).stdout == "[]\n"


def test_every_example_of_the_documentation_runs(shop):
    """A block that begins with the name of a file is that file; the others run one after the other."""
    text = (HOME / "docs" / "library.md").read_text("utf-8")
    script, found = "", BLOCK.findall(text)
    for block in found:
        named = re.match(r"# (\S+\.py)\n", block)
        if named:
            (shop / named[1]).parent.mkdir(exist_ok=True)
            (shop / named[1]).write_text(block, "utf-8")
        else:
            script += block
    assert len(found) >= 8
    lines = python(script, shop)
    assert lines[1].startswith("PROMOTE")
    kinds = [kind for kind, _ in runs(shop)]
    assert {"optimize", "eval", "gate", "distill", "matrix", "experiment"} == set(kinds)
