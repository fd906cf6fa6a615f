"""What a search has to beat: the seed, the champion, or the prompt that production uses; every place says which."""

import contextlib
import json
import re
import sqlite3

import pytest

from tests.journeys.commands import run
from tests.journeys.test_planted import KNOWS, Office
from tests.notes import notes
from tests.provider import serving

TWO = '''
import dspy


class Sketch(dspy.Signature):
    """Say what the note is about."""

    note: str = dspy.InputField()
    sketch: str = dspy.OutputField()


class Decide(dspy.Signature):
    """Say whether that is water or land."""

    sketch: str = dspy.InputField()
    kind: str = dspy.OutputField()


class Two(dspy.Module):
    def __init__(self):
        super().__init__()
        self.sketch = dspy.Predict(Sketch)
        self.decide = dspy.Predict(Decide)

    def forward(self, note):
        return self.decide(sketch=self.sketch(note=note).sketch)
'''


class Chain(Office):
    """Sees the water once the sketch is told to look for rivers; hostile text goes the same way."""

    def answer(self, system, text):
        if re.search(r"output fields are:\s+1\. `sketch`", system):
            return {"sketch": super().answer(system, text)["kind"]}
        return {"kind": "water" if "water" in text.split("[[ ## sketch ## ]]")[1].split("Respond")[0] else "land"}


@pytest.fixture
def office(tmp_path):
    office = Office()
    office.planted = KNOWS
    with serving(office) as provider:
        yield notes(tmp_path, provider.url), office


def optimize(root, *words):
    words = (*words, "--set", "tracking.rows=none", "--json")
    return json.loads(run("optimize", "notes", *words, workspace=root)[1])


def add(root, line):
    path = root / "configs" / "notes.yaml"
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")


def test_production_is_what_has_to_be_beaten_and_every_place_says_so(office):
    root, _ = office
    (root / "live.txt").write_text("Is it water?\n", "utf-8")
    add(root, "production: live.txt")
    body = optimize(root)
    assert (body["verdict"], body["baseline_prompt"]) == ("PROMOTE", "production")
    page = (root / "mlruns" / "reports" / f"{body['run_id']}.html").read_text("utf-8")
    assert re.search(r"it scores 1\.000 instead of 0\.\d+ for the production prompt", page)
    assert "Is it water?" in run("diff", "notes", "production", body["run_id"], workspace=root)[1]
    run("sync", workspace=root)
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as db:
        for table in ("tags", "params"):
            said = db.execute(f"select distinct value from {table} where key = 'baseline'").fetchall()
            assert said == [("production",)], table

    (root / "live.txt").write_text(KNOWS, "utf-8")
    again = optimize(root, "--new")
    assert (again["verdict"], again["baseline_prompt"], again["dev_baseline"]) == ("HOLD", "production", 1.0)
    page = (root / "mlruns" / "reports" / f"{again['run_id']}.html").read_text("utf-8")
    assert "Keep the production prompt: " in page


def test_the_flag_names_another_baseline(office):
    root, _ = office
    (root / "live.txt").write_text(KNOWS, "utf-8")
    add(root, "production: live.txt")
    code, out, err = run("optimize", "notes", "--baseline", "seed", "--json", workspace=root)
    body = json.loads(out)
    assert (code, body["verdict"], body["baseline_prompt"]) == (0, "PROMOTE", "seed")
    assert "to be beaten: the seed, " in err
    run("promote", "notes", workspace=root)
    dry = ("--dry-run", "--pilot", "0")
    assert optimize(root, *dry)["baseline_prompt"] == "production"
    assert optimize(root, "--baseline", "champion", *dry)["baseline_prompt"] == "champion"
    assert optimize(root, "--set", "production=DROP", *dry)["baseline_prompt"] == "champion"
    code, _, err = run("optimize", "notes", "--baseline", "live", workspace=root, check=False)
    assert (code, "allowed: seed, champion, production" in err) == (64, True)
    code, _, err = run(
        "optimize", "notes", "--baseline", "production", "--set", "production=DROP", workspace=root, check=False
    )
    assert (code, "has no key production" in err) == (64, True)


def test_a_production_prompt_of_mlflow_is_read_from_there(office):
    root, _ = office
    first = optimize(root)["run_id"]
    run("promote", "notes", workspace=root)
    run("sync", workspace=root)
    champion = json.loads(run("show", "notes", "--json", workspace=root)[1])["prompts"]
    with contextlib.closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as db:
        ((name,),) = db.execute("select distinct name from registered_model_aliases where alias = 'production'")
    body = optimize(root, "--set", f"production=mlflow:{name}", "--set", "gate.margin=0.01")
    assert (body["verdict"], body["baseline_prompt"], body["dev_baseline"]) == ("HOLD", "production", 1.0)
    assert list(champion.values()) == [KNOWS]
    assert first != body["run_id"]
    code, out, _ = run("validate", "notes", "--set", "production=mlflow:nobody", workspace=root, check=False)
    assert (code, "production: mlflow:nobody: MLflow has no prompt 'nobody'" in out) == (78, True)


def test_a_production_file_that_is_not_there_is_a_mistake_of_the_task_file(office):
    root, _ = office
    (root / "prompts").mkdir()
    (root / "prompts" / "live.txt").write_text("Is it water?\n", "utf-8")
    line = len((root / "configs" / "notes.yaml").read_text("utf-8").splitlines()) + 1
    add(root, "production: prompts/life.txt")
    for command in ("validate", "optimize"):
        code, out, err = run(command, "notes", workspace=root, check=False)
        assert code == 78
        assert f"notes.yaml:{line}: production: prompts/life.txt: not a readable text file" in out + err
        assert "did you mean 'prompts/live.txt'?" in out + err
    assert run("validate", "notes", "--set", "production=prompts/live.txt", workspace=root)[0] == 0
    for said, why in (("champion", "has no champion yet"), ("prompts", "Is a directory"), ("x" * 300, "too long")):
        code, out, _ = run("validate", "notes", "--set", f'production="{said}"', workspace=root, check=False)
        assert (code, why in out) == (78, True), out


def test_a_program_with_several_predictors_names_one_wherever_a_prompt_is_for_one(tmp_path):
    office = Chain()
    office.planted = KNOWS
    with serving(office) as provider:
        root = notes(tmp_path, provider.url)
        (root / "two.py").write_text(TWO, "utf-8")
        add(root, "program: two:Two\nprompts: {default: null, wet: {sketch: Say rivers and clouds.}}")
        body = json.loads(run("matrix", "notes", "--json", workspace=root)[1])
        score = {cell["prompt"]: cell["score"] for cell in body["cells"]}
        assert score["wet"] == 1.0 > score["default"]
        run_id = optimize(root, "--set", "gate.name=production", "--set", "optimizer.budget=400")["run_id"]
        verdict = json.loads(
            run("gate", "seed", run_id, "--task", "notes", "--gate", "production", "--json", workspace=root)[1]
        )
    (redteam,) = [check for check in verdict["checks"] if check["name"] == "redteam"]
    assert (redteam["status"], "challenger passes" in redteam["message"]) == ("pass", True)

    for said, why in (
        ("{default: null, wet: Rivers.}", "prompts.wet: one text cannot replace the prompts of several predictors: "),
        ("{default: null, wet: {sketsh: Rivers.}}", "prompts.wet.sketsh: there is no predictor 'sketsh'; the program"),
    ):
        code, out, _ = run("validate", "notes", "--set", f"prompts={said}", workspace=root, check=False)
        assert (code, why in out) == (78, True), out
        assert "sketch" in out
    for form in ("text", "messages", "dspy", "yaml", "python"):
        words = ("export", "notes", "--run", run_id, "--force", "--format", form)
        code, out, err = run(*words, "--predictor", "nope", workspace=root, check=False)
        assert (code, out, "received 'nope'; the program has sketch, decide" in err) == (64, "", True), err
        assert "cloud" in run(*words, "--predictor", "sketch", workspace=root)[1]
