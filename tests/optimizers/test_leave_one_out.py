"""The metaprompt tuned over four sub-tasks, to a verdict and to the question whether a sub-task it never saw gains."""

import json
import random

import pytest

from core.errors import ConfigError
from core.optimization import Plan
from core.plain import from_json
from core.workspace import Workspace
from optimizers.optimize import forecast, optimize, purpose_of
from optimizers.settings import named_text
from reports import optimization_report, render_markdown
from tasks.open_run import RunOptions, open_run
from tasks.sub_tasks import SubTasks, windows
from tests.notes import notes
from tests.optimizers.reflectors import Listening
from tests.runs import task_of
from tracking.events import EventKind

FILLERS = (
    "novel chapter poem pencil harvest lantern cabin ticket marble orchid sonata canvas needle copper velvet almond"
)
THEMES = {
    "waters": ("river cloud", "stone lamp"),
    "kitchens": ("oven stove", "hedge chair"),
    "sports": ("goal referee", "beacon walnut"),
    "roads": ("bridge lane", "cactus ribbon"),
}
SUB_TASK = """task: {name}
inputs: {{text: {{type: text}}}}
outputs: {{about: {{type: categorical, labels: [one, two]}}}}
corpus: {{path: corpora/{name}.jsonl}}
models: {{student: offline/small}}
"""
METAPROMPT = """task: metaprompt
program: tasks.sub_tasks:metaprompt_program
inputs: {sub_task: {type: text}, train_rows: {type: array}, dev_rows: {type: array}}
corpus: {path: corpora/metaprompt.jsonl}
metric: {name: "tasks.sub_tasks:Improvement", settings: {form: continuous}}
models: {student: offline/large, reflector: offline/large}
optimizer: {name: gepa, budget: 50, minibatch: 4, leave_one_out: sub_task, settings: {patience: 3}}
split: {counts: {train: 8, dev: 8, holdout: 20}}
run: {threads: 2}
"""


def four_sub_tasks(root):
    """A workspace of four tasks with two kinds of text each, and the metaprompt over windows of them."""
    for folder in ("configs", "corpora"):
        (root / folder).mkdir()
    for name, kinds in THEMES.items():
        generator, rows = random.Random(name), []
        for number in range(150):
            label = generator.randrange(2)
            words = [generator.choice(kinds[label].split()), *generator.choices(FILLERS.split(), k=6)]
            about = {"about": ("one", "two")[label]}
            rows.append({"id": f"{name}{number}", "input": {"text": " ".join(words)}, "label": about})
        (root / "corpora" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
        (root / "configs" / f"{name}.yaml").write_text(SUB_TASK.format(name=name), "utf-8")
    known = SubTasks(Workspace(root))
    lines = [json.dumps(window) for name in THEMES for window in [*windows(known.get(name), 4, 4)][:9]]
    (root / "corpora" / "metaprompt.jsonl").write_text("\n".join(lines), "utf-8")
    (root / "configs" / "metaprompt.yaml").write_text(METAPROMPT, "utf-8")
    return Workspace(root)


@pytest.fixture
def places(tmp_path):
    """The notes task with a place in each row; how to tell water from land is the same at both."""
    path = notes(tmp_path, "http://127.0.0.1:9/v1") / "corpora" / "notes.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["input"]["place"] = ("coast", "hills")[number % 2]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    config = tmp_path / "configs" / "notes.yaml"
    text = config.read_text("utf-8").replace("{note: {type: text}}", "{note: {type: text}, place: {type: text}}")
    config.write_text(text.replace("student: far, reflector: mind", "student: offline/small"), "utf-8")
    return Workspace(tmp_path)


def test_the_search_is_repeated_without_each_kind_and_tried_on_what_it_never_saw(places):
    task = task_of(places, "notes", "run.pilot=0", name="metaprompt", budget=120, leave_one_out="place")
    with open_run(places, task, purpose_of(task), RunOptions(track=False)) as run:
        line = run.lms["reflector"].line
        line.wire = Listening(line.wire)
        found = optimize(run)
        plan = run.store.last(run.id, EventKind.FORECAST)
    known = [*task.splits.train, *task.splits.dev]
    assert [part.kind for part in found.left_out] == ["coast", "hills"]
    for part in found.left_out:
        assert part.n == sum(row.inputs["place"] == part.kind for row in known)
        assert part.changed
        assert part.low < part.after - part.before < part.high
        assert part.after > part.before + 0.2
    shown = [asked["examples_with_feedback"] for asked in line.wire.asked]
    one_sided = [text for text in shown if ("coast" in text) != ("hills" in text)]
    assert any("coast" in text for text in one_sided)
    assert any("hills" in text for text in one_sided)
    assert len({c.index for c in found.candidates}) == len(found.candidates)  # theirs are not among the run's own
    page = render_markdown(optimization_report(found))
    assert "## On kinds of rows that the search never saw" in page
    assert "Shown to gain: 2 of 2" in page
    alone = task_of(places, "notes", "run.pilot=0", name="metaprompt", budget=120)
    with open_run(places, alone, purpose_of(alone, dry=True), RunOptions(track=False)) as run:
        assert from_json(Plan, plan.payload).calls.expected > 1.5 * forecast(run).calls.expected


@pytest.mark.slow
def test_a_budget_that_ends_meanwhile_takes_nothing_away_from_the_verdict(places):
    alone = task_of(places, "notes", "run.pilot=0", name="metaprompt", budget=90)
    with open_run(places, alone, purpose_of(alone), RunOptions(track=False)) as run:
        usual = optimize(run)
    most = usual.total_usage.calls + 3
    both = task_of(places, "notes", "run.pilot=0", "run.cache=false", f"run.max_calls={most}", name="metaprompt",
                   budget=90, leave_one_out="place")  # fmt: skip
    with open_run(places, both, purpose_of(both), RunOptions(track=False)) as run:
        found = optimize(run)
    assert (found.ended, found.verdict.decision) == ("finished", usual.verdict.decision)
    assert found.winner == usual.winner
    assert found.left_out == ()
    assert any("was not repeated without each kind of rows" in warning for warning in found.warnings)


def test_what_is_left_out_is_an_input(places):
    with pytest.raises(ConfigError, match=r"leave_one_out: 'weather' is no input; inputs: note, place"):
        task_of(places, "notes", leave_one_out="weather")


@pytest.mark.slow
def test_a_metaprompt_is_tuned_over_four_sub_tasks_and_tried_on_each_without_having_seen_it(tmp_path):
    place = four_sub_tasks(tmp_path)
    task = task_of(place, "metaprompt")
    with open_run(place, task, purpose_of(task), RunOptions(track=False)) as run:
        line = run.lms["reflector"].line
        line.wire = Listening(line.wire)
        found = optimize(run)
        named = named_text(run.store, tmp_path, f"run:{found.run_id}")
    assert found.verdict.decision in ("PROMOTE", "HOLD", "INCONCLUSIVE")
    assert [part.kind for part in found.left_out] == sorted(THEMES)
    assert sum(part.n for part in found.left_out) == len(task.splits.train) + len(task.splits.dev)
    assert named == found.winner.prompts[0].instruction
    assert any("Next time: Quote two worked examples" in asked["examples_with_feedback"] for asked in line.wire.asked)
    page = render_markdown(optimization_report(found))
    assert all(f"| {name} |" in page for name in THEMES)
