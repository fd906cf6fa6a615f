"""``report``: a finished run's report, whenever it is wanted, in the form it is wanted in."""

import json
from pathlib import Path

import pytest

from reports.script import SCRIPT
from tests.journeys.commands import gold, run


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with one finished run."""
    root = tmp_path_factory.mktemp("report")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl", 90), workspace=root)
    return root, json.loads(run("optimize", "triage", "--budget", "150", "--json", workspace=root)[1])


def test_the_page_is_written_again_where_the_run_had_put_it_and_is_the_same(shop):
    root, body = shop
    before = Path(body["report"]).read_text("utf-8")
    Path(body["report"]).unlink()
    reply = json.loads(run("report", body["run_id"][:-2], "--json", workspace=root)[1])
    assert Path(reply["path"]).name == f"{body['run_id']}.html"
    page = (root / "mlruns" / "reports" / f"{body['run_id']}.html").read_text("utf-8")
    assert reply["bytes"] == len(page.encode())
    assert page.split('<h2 id="in-mlflow"')[0] == before.split('<h2 id="in-mlflow"')[0]
    assert page.count(SCRIPT) == 1
    assert "compareToRunUuid" in page  # MLflow has both prompts' rows by now


def test_a_task_has_one_page_for_all_its_runs(shop):
    root, body = shop
    reply = json.loads(run("report", "triage", "--json", workspace=root)[1])
    page = Path(reply["path"]).read_text("utf-8")
    assert Path(reply["path"]).name == "triage.html"
    assert body["run_id"] in page
    assert f'href="{body["run_id"]}.html"' in page
    assert "compareToRunUuid" in page
    text = run("report", "triage", "--format", "markdown", "--out", "-", workspace=root)[1]
    assert text.startswith("# triage: all runs\n")


def test_markdown_goes_to_a_file_or_to_stdout(shop, tmp_path):
    root, body = shop
    out = tmp_path / "report.md"
    assert str(out) in run("report", body["run_id"], "--format", "markdown", "--out", out, workspace=root)[1]
    text = out.read_text("utf-8")
    assert text.startswith("# triage: gepa\n\n> **")
    assert f"**{body['verdict']}**" in text
    assert run("report", body["run_id"], "--format", "markdown", "--out", "-", workspace=root)[1] == text


def test_a_program_gets_the_text_inside_its_object(shop):
    _, body = shop
    out = run("report", body["run_id"], "--format", "markdown", "--out", "-", "--json", workspace=shop[0])[1]
    assert json.loads(out)["text"].startswith("#")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing",), 66, "there is no run 'nothing'"),
        (("RUN", "--format", "pdf"), 64, "allowed: html, markdown"),
    ],
)
def test_what_cannot_be_done_is_said(shop, words, code, said):
    root, body = shop
    words = [body["run_id"] if word == "RUN" else word for word in words]
    got, _, err = run("report", *words, workspace=root, check=False)
    assert (got, said in err) == (code, True)
