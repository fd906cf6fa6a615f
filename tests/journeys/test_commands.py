"""Every command, end to end, as a person or a script would run it: real process, real files, the embedded model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.journeys.commands import HOME, gold, run, until


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with one task and one finished, promoted run."""
    root = tmp_path_factory.mktemp("shop")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl"), workspace=root)
    _, out, err = run("optimize", "triage", "--budget", "600", "--threads", "2", "--json", workspace=root)
    return root, json.loads(out), err


def test_own_data_in_two_commands_ends_in_a_verdict_with_evidence(shop):
    _, body, _ = shop
    assert set(body) >= {
        "task", "optimizer", "verdict", "reasons", "baseline", "candidate", "delta", "ci_low", "ci_high", "p_value",
        "n", "calls", "cost_usd", "seconds", "run_id", "report",
    }  # fmt: skip
    assert body["verdict"] == "PROMOTE"
    assert body["ci_low"] > 0
    assert body["offline"] is True


def test_progress_goes_to_stderr_without_colour_in_a_pipe(shop):
    _, _, err = shop
    assert "baseline on dev" in err
    assert "\x1b[" not in err


def test_the_report_is_one_self_contained_file(shop):
    _, body, _ = shop
    html = Path(body["report"]).read_text("utf-8")
    assert "PROMOTE" in html
    assert len(html.encode()) < 2_000_000
    assert 'src="http' not in html


def test_the_same_seed_gives_the_same_prompt_on_any_threads_and_hash_seed(shop):
    root, body, _ = shop
    for threads, hash_seed in (("1", "1"), ("4", "77")):
        _, out, _ = run(
            "optimize", "triage", "--budget", "600", "--threads", threads, "--baseline", "seed", "--json",
            workspace=root, env={"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        again = json.loads(out)
        assert again["prompt_hash"] == body["prompt_hash"]
        assert again["dev_candidate"] == body["dev_candidate"]


def test_a_holdout_that_is_opened_again_is_counted(shop):
    root, body, _ = shop
    _, out, _ = run("optimize", "triage", "--budget", "600", "--baseline", "seed", "--json", workspace=root)
    assert json.loads(out)["opening"] > body["opening"]


def test_strict_turns_the_verdict_into_the_exit_code(shop):
    root, _, _ = shop
    code, out, _ = run(
        "optimize", "triage", "--budget", "200", "--set", "gate.margin=0.99", "--baseline", "seed", "--strict",
        "--json", workspace=root, check=False,
    )  # fmt: skip
    assert {"PROMOTE": 0, "HOLD": 1, "INCONCLUSIVE": 2}[json.loads(out)["verdict"]] == code
    assert code in {1, 2}


def test_dry_run_says_what_it_costs_and_leaves_only_a_forecast(shop):
    root, _, _ = shop
    before = {r["run_id"] for r in json.loads(run("history", "triage", "--json", workspace=root)[1])["runs"]}
    body = json.loads(run("optimize", "triage", "--dry-run", "--json", workspace=root)[1])
    assert body["calls"]["student"] > 100
    assert body["cost_usd"] > 0
    after = json.loads(run("history", "triage", "--json", workspace=root)[1])["runs"]
    assert [(r["kind"], r["verdict"]) for r in after if r["run_id"] not in before] == [("forecast", None)]


@pytest.mark.parametrize("form", ["text", "messages", "dspy", "yaml", "python"])
def test_a_promoted_prompt_is_exported_in_every_form(shop, tmp_path, form):
    root, body, _ = shop
    out = tmp_path / "prompt.out"
    reply = json.loads(
        run("export", "triage", "--run", body["run_id"], "--format", form, "--out", out, "--json", workspace=root)[1]
    )
    assert out.stat().st_size > 0
    assert reply["provenance"]["run_id"] == body["run_id"]
    assert reply["provenance"]["verdict"] == "PROMOTE"


def test_export_into_a_python_constant_shows_the_diff(shop, tmp_path):
    root, body, _ = shop
    source = tmp_path / "prompts.py"
    source.write_text('KEEP = 1\nPROMPT = "old"\n', "utf-8")
    _, out, _ = run(
        "export", "triage", "--run", body["run_id"], "--format", "python", "--target", f"{source}:PROMPT",
        workspace=root,
    )  # fmt: skip
    assert '-PROMPT = "old"' in out
    assert source.read_text("utf-8").startswith("KEEP = 1\nPROMPT = ")


def test_promote_history_diff_rollback(shop):
    root, body, _ = shop
    run("promote", "triage", "--run", body["run_id"], workspace=root)
    assert (
        yaml.safe_load((root / "prompts" / "triage.yaml").read_text("utf-8"))["provenance"]["run_id"] == body["run_id"]
    )
    assert "champions" in run("history", "triage", workspace=root)[1]
    assert "@@" in run("diff", "triage", "seed", "champion", workspace=root)[1]
    assert json.loads(run("diff", "triage", "champion", "champion", "--json", workspace=root)[1])["diff"] == ""
    run("rollback", "triage", "--to-seed", workspace=root)
    assert json.loads(run("rollback", "triage", "--json", workspace=root)[1])["run_id"] == body["run_id"]


def test_eval_scores_a_prompt_and_guards_the_holdout(shop):
    root, body, _ = shop
    seed = json.loads(run("eval", "triage", "--json", workspace=root)[1])
    tuned = json.loads(run("eval", "triage", "--prompts", body["run_id"], "--json", workspace=root)[1])
    assert tuned["score"] > seed["score"]
    code, _, err = run("eval", "triage", "--split", "holdout", workspace=root, check=False)
    assert code == 64
    assert "--open-holdout" in err


def test_tasks_validate_show(shop):
    root, _, _ = shop
    assert json.loads(run("tasks", "--json", workspace=root)[1])["tasks"][0]["task"] == "triage"
    assert "ok" in run("validate", workspace=root)[1]
    assert "team" in run("show", "triage", workspace=root)[1]


def test_mlflow_is_told_by_each_run_unless_the_environment_says_later(tmp_path, monkeypatch):
    run("init", tmp_path)
    run("init", "triage", "--from-gold", gold(tmp_path / "triage.jsonl", n=40), workspace=tmp_path)
    database = tmp_path / "mlruns" / "mlflow.db"
    run("eval", "triage", workspace=tmp_path)
    assert not database.exists()
    assert json.loads(run("sync", "--json", workspace=tmp_path)[1])["waiting"] == 0
    assert database.exists()
    monkeypatch.setenv("PROVEN_MLFLOW", "sometimes")
    code, _, err = run("eval", "triage", workspace=tmp_path, check=False)
    assert (code, "PROVEN_MLFLOW: received 'sometimes'; allowed: now, later" in err) == (64, True)
    monkeypatch.setenv("PROVEN_MLFLOW", "now")
    database.unlink()
    run("eval", "triage", "--split", "train", workspace=tmp_path)
    assert until(database.exists)


def test_export_without_an_accepting_verdict_is_refused_and_force_is_recorded(tmp_path):
    run("init", tmp_path)
    run("init", "triage", "--from-gold", gold(tmp_path / "g.jsonl", 60), workspace=tmp_path)
    run("optimize", "triage", "--budget", "100", "--set", "gate.margin=0.99", "--json", workspace=tmp_path)
    code, _, err = run("export", "triage", workspace=tmp_path, check=False)
    assert code == 77
    assert "--force" in err
    reply = json.loads(run("export", "triage", "--force", "--json", workspace=tmp_path)[1])
    assert reply["provenance"]["forced"] is True


def test_help_and_version_name_the_commands():
    _, out, _ = run("--help")
    for name in (
        "optimize",
        "init",
        "ui",
        "export",
        "promote",
        "rollback",
        "diff",
        "history",
        "tasks",
        "validate",
        "show",
        "eval",
    ):
        assert name in out
    assert run("--version")[1].startswith("proven ")


def test_help_imports_neither_dspy_nor_mlflow():
    code = "import sys, cli\ntry:\n    sys.argv=['cli.py','--help']\n    cli.main()\nexcept SystemExit:\n    pass\nprint([m for m in ('dspy','mlflow','pydantic','numpy') if m in sys.modules])"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HOME, check=True)
    assert done.stdout.strip().endswith("[]")
