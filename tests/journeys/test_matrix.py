"""The matrix and the judge's card as people run them: real processes, the project's own tasks, killed and repeated."""

import json
import random
import re
import shutil
import threading
import time
from pathlib import Path

import pytest

from core.workspace import HOME
from offline import OfflineEngine
from tests.gym import gym
from tests.journeys.commands import run, started
from tests.provider import Provider, serving
from tracking.store import Store


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A copy of the project's own tasks, with the matrix of condensation made."""
    root = tmp_path_factory.mktemp("own")
    for folder in ("configs", "corpora"):
        shutil.copytree(HOME / folder, root / folder)
    return root, json.loads(run("matrix", "condensation", "--json", workspace=root)[1])


@pytest.mark.filterwarnings("default")
def test_mlflow_has_a_child_run_for_every_cell(own):
    root, body = own
    from mlflow.tracking import MlflowClient

    run("sync", workspace=root)  # a command does not wait for MLflow
    client = MlflowClient(f"sqlite:///{root}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("condensation").experiment_id
    parent = client.search_runs([experiment], f"tags.`proven.run_id` = '{body['run_id']}'")[0]
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", max_results=50)
    by_name = {child.info.run_name: child for child in children}
    assert len(by_name) == 12
    assert parent.info.run_name == "matrix, 12 cells, 15 rows"
    views = client.get_experiment(experiment).tags
    assert {"mlflow.sharedViewState.leaderboard", "mlflow.sharedViewState.cells"} <= set(views)
    page = run("report", body["run_id"], "--format", "html", "--out", "-", workspace=root)[1]
    assert "viewStateShareKey=cells" in page
    cell = body["cells"][0]
    child = by_name[f"{cell['prompt']} @ {cell['model']}"]
    assert child.data.params["prompt_sha"] == cell["prompt_hash"]
    assert child.data.metrics["score"] == pytest.approx(cell["score"], abs=1e-4)
    assert {file.path for file in client.list_artifacts(child.info.run_id)} == {"outputs.jsonl", "scores.jsonl"}
    assert child.data.metrics["criterion/compression"] == pytest.approx(cell["criteria"]["compression"], abs=1e-4)


def test_condensation_is_twelve_cells_of_fifteen_rows_and_names_the_cheapest_good_one(own):
    root, body = own
    assert (len(body["cells"]), body["outputs"]) == (12, 180)
    assert body["reference"] == "default @ stand-in/haiku"
    assert body["cheapest"] in {f"{c['prompt']} @ {c['model']}" for c in body["cells"] if c["standing"] == "better"}
    assert body["offline"]
    for cell in body["cells"]:
        assert set(cell["criteria"]) == {"signal_preservation", "compression", "downstream_utility", "coherence"}
        assert cell["low"] <= cell["score"] <= cell["high"]
    page = (root / "mlruns" / "reports" / f"{body['run_id']}.html").read_text("utf-8")
    assert "stand-in/gemini-lite" in page
    assert "Offline stand-in" in page


def test_a_copied_input_is_never_the_answer_and_the_page_says_so(own):
    root, body = own
    unfit = {f"{c['prompt']} @ {c['model']}": c["defects"] for c in body["cells"] if c["defects"]}
    assert unfit["tighter @ stand-in/gemini-lite"] == [
        "15 of 15 outputs are their input again", "compression has collapsed: 0.000",
    ]  # fmt: skip
    assert body["cheapest"] not in unfit
    page = (root / "mlruns" / "reports" / f"{body['run_id']}.html").read_text("utf-8")
    assert page.index("Not to be used, whatever the score") < page.index("Criterion by criterion")
    equal = {f"{c['prompt']} @ {c['model']}" for c in body["cells"] if c["standing"] == "equal"}
    assert equal == {"default @ stand-in/grok-fast", "default @ stand-in/gemini-lite"}


def test_a_report_rendered_again_is_the_same_run_and_a_new_outcome_is_another(own):
    root, body = own
    again = json.loads(run("report", "condensation", "--json", workspace=root)[1])
    assert (again["run_id"], again["cells"]) == (body["run_id"], body["cells"])
    store = Store(root / "mlruns" / "proven.db")
    assert [found.run_id for found in store.runs("condensation")] == [body["run_id"]]
    other = json.loads(run("report", "condensation", "--set", "matrix.margin=0.2", "--json", workspace=root)[1])
    assert other["run_id"] != body["run_id"]


def test_two_names_of_one_model_are_told_apart_from_two_models(own):
    matrix = Store(own[0] / "mlruns" / "proven.db").matrix(own[1]["run_id"])
    reasons = {cell.name: cell.comparison.reason for cell in matrix.cells}
    assert "to the letter, that of the reference cell" in reasons["default @ stand-in/grok-fast"]
    assert "to the letter" not in reasons["default @ stand-in/flash"]


def test_extraction_is_four_cells_of_fifteen_rows(own):
    body = json.loads(run("matrix", "extraction", "--json", workspace=own[0])[1])
    assert (len(body["cells"]), body["outputs"]) == (4, 60)


def test_each_step_can_be_repeated_alone_and_pays_nothing_again(own):
    root, body = own
    for step in ("prepare", "run", "judge"):
        done = json.loads(run(step, "condensation", "--json", workspace=root)[1])
        assert (done["calls"], done["failed"]) == (0, 0)
    again = json.loads(run("report", "condensation", "--json", workspace=root)[1])
    assert again["cells"] == body["cells"]
    _, text, _ = run("report", "condensation", "--format", "markdown", "--out", "-", workspace=root)
    assert text.startswith("# condensation")
    assert "| " in text


def test_the_forecast_comes_first_and_a_cap_on_money_ends_it_in_order(own):
    root, _ = own
    plan = json.loads(run("matrix", "condensation", "--dry-run", "--json", workspace=root)[1])
    assert (plan["cells"], plan["calls"]) == (12, 360)
    assert plan["cost_low"] < plan["cost_usd"] < plan["cost_high"]
    code, out, _ = run(
        "matrix", "condensation", "--no-cache", "--max-calls", "30", "--json", workspace=root, check=False
    )
    assert code == 75
    assert "30" in json.loads(out)["message"]


def test_extraction_can_take_what_condensation_has_put_out_and_says_so(own):
    root, body = own
    sets = [
        "--set", "corpus.path=DROP", "--set", "corpus.source=matrix:condensation/default @ stand-in/flash",
        "--set", "metric.name=judge", "--set", "split.fractions={train: 0.4, dev: 0.3}",
    ]  # fmt: skip
    done = json.loads(run("matrix", "extraction", *sets, "--json", workspace=root)[1])
    lines = (root / "mlruns" / "matrix" / "extraction" / "corpus.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    flash = next(c for c in body["cells"] if (c["prompt"], c["model"]) == ("default", "stand-in/flash"))
    assert {row["metadata"]["prompt_hash"] for row in rows} == {flash["prompt_hash"]}
    assert {row["metadata"]["model"] for row in rows} == {"stand-in/flash"}
    assert all(row["metadata"]["run"].startswith("condensation-matrix-") for row in rows)
    assert {row["metadata"]["reference"] for row in rows} == {"stand-in/opus"}
    assert done["outputs"] == 4 * len(rows)


def test_a_call_defined_in_yaml_alone_has_its_references_written_first(own):
    body = json.loads(run("matrix", "badge", "--json", workspace=own[0])[1])
    assert len(body["cells"]) == 2
    assert all(len(row["prediction"]["badge"].split()) <= 8 for row in outputs(own[0], "badge"))


def outputs(root, task):
    text = (root / "mlruns" / "matrix" / task / "outputs.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_judge_s_card_is_measured_and_shown_in_the_report(own):
    root, _ = own
    card = json.loads(run("judge-card", "condensation", "--rows", "24", "--json", workspace=root)[1])
    assert card["noise"]["value"] == 0
    assert card["self_score"]["value"] == pytest.approx(1.0)
    assert card["order_bias"]["value"] == pytest.approx(0.0)
    assert card["refusal"] is None
    page = Path(card["report"]).read_text("utf-8")
    assert "Agreement not measured" in page
    again = json.loads(run("report", card["run_id"], "--json", workspace=root)[1])
    assert Path(again["path"]).read_text("utf-8").split('<h2 id="in-mlflow"')[0] == page.split('<h2 id="in-mlflow"')[0]
    report = json.loads(run("report", "condensation", "--json", workspace=root)[1])
    matrix = Store(root / "mlruns" / "proven.db").matrix(report["run_id"])
    assert matrix.judge is not None
    assert matrix.judge.rows > 0


def test_a_judge_that_cannot_be_asked_ends_its_examination_in_order(own, tmp_path):
    rated = tmp_path / "rated.jsonl"
    row = {"input": "long text", "reference": "text", "output": "a text", "score": 0.5}
    rated.write_text("\n".join(json.dumps(row | {"id": i}) for i in range(3)))
    words = ("judge-card", "condensation", "--scores", rated, "--json")
    card = json.loads(run(*words, workspace=own[0])[1])
    assert card["rows"] == 3
    models = own[0] / "configs" / "models.yaml"
    models.write_text(
        models.read_text() + '  gone: {model: openai/x, api_base: "http://127.0.0.1:9/v1", attempts: 1}\n'
    )
    code, out, err = run(*words, "--set", "judge.model=gone", workspace=own[0], check=False)
    assert code == 69
    assert "no judgement could be had from gone" in json.loads(out)["message"]
    assert "Traceback" not in err
    rated.write_text('{"input": "a", "reference": "b", "output": "c"}')
    code, out, _ = run(*words, workspace=own[0], check=False)
    assert (code, "'score' is missing" in json.loads(out)["message"]) == (65, True)


def test_a_panel_judges_a_search_too_and_its_spread_is_in_the_report(tmp_path):
    workspace = gym(tmp_path)
    sets = ("--set", "judge.panel=[small]", "--set", "judge.repeats=2", "--set", "judge.sought=0.3")
    body = json.loads(run("optimize", "retell", "--budget", "40", *sets, "--json", workspace=workspace.root)[1])
    text = run("report", body["run_id"], "--format", "markdown", "--out", "-", workspace=workspace.root)[1]
    assert "Beside the judge, on the holdout" in text
    assert "| spread of judgements | 0.000 | 0.000 |" in text


def test_killed_at_any_point_and_repeated_it_pays_nothing_twice(tmp_path):
    generator = random.Random(7)
    with serving(Provider(latency=0.05)) as provider:
        workspace = gym(tmp_path, models=("small", "mid-large"), url=provider.url, count=10)
        for _ in range(3):
            process = started("matrix", "retell", "--json", workspace=tmp_path)
            target = len(provider.seen) + generator.randrange(5, 20)
            while len(provider.seen) < min(target, 78) and process.poll() is None:
                time.sleep(0.005)
            process.kill()
        body = json.loads(run("matrix", "retell", "--json", workspace=workspace.root)[1])
        assert provider.repeated == 0
        assert len(provider.seen) == 2 * 40  # 40 outputs, 40 judgements
        assert body["outputs"] == 40
        again = json.loads(run("matrix", "retell", "--json", workspace=workspace.root)[1])
    assert again["cells"] == body["cells"]
    assert again["calls"] == 0


class Moody(OfflineEngine):
    """A judge in changing moods: up to forty points more or less, another way each time it is asked."""

    def __init__(self) -> None:
        super().__init__("large")
        self._moods, self._lock = random.Random(1), threading.Lock()

    def complete(self, request):
        response = super().complete(request)
        text = response.message.text or ""
        if "criterion_scores" not in text:
            return response
        with self._lock:
            mood = self._moods.randint(-40, 40)
        changed = re.sub(r'"score": (\d+)', lambda m: f'"score": {max(0, min(100, int(m[1]) + mood))}', text)
        from dspy.lm15 import Message

        return response.__class__(
            id=None, model="x", message=Message.assistant(changed), finish_reason="stop", usage=response.usage
        )


def test_a_judge_that_is_noisier_than_the_lift_sought_is_refused_unless_it_is_trusted(tmp_path):
    with serving(Provider(engine=Moody())) as provider:
        gym(tmp_path, models=("small",), judge="referee", url=provider.url)
        words = ("optimize", "retell", "--budget", "60", "--json")
        code, out, err = run(*words, workspace=tmp_path, check=False)
        assert code == 64
        assert "the judge's noise is 0." in json.loads(out)["message"]
        assert "--trust-judge" in err
        body = json.loads(run(*words, "--trust-judge", workspace=tmp_path)[1])
    assert any("because judge.trusted says so" in text for text in body["warnings"])


class Mute(OfflineEngine):
    """A judge that says nothing that could be used."""

    def complete(self, request):
        response = super().complete(request)
        if "criterion_scores" not in (response.message.text or ""):
            return response
        from dspy.lm15 import Message

        said = Message.assistant("I would rather not say.")
        return response.__class__(id=None, model="x", message=said, finish_reason="stop", usage=response.usage)


def test_where_nothing_can_be_judged_no_search_begins(tmp_path):
    with serving(Provider(engine=Mute())) as provider:
        gym(tmp_path, models=("small",), judge="referee", url=provider.url)
        code, out, _ = run("optimize", "retell", "--budget", "60", "--json", workspace=tmp_path, check=False)
    assert code == 70
    assert "dev rows has a score; most frequent" in json.loads(out)["message"]
    assert "no usable judgement" in json.loads(out)["message"]
