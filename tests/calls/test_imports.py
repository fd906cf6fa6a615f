"""What a module loads is part of what it promises: a table of runs must not wait for a model client."""

import json
import subprocess
import sys

import pytest

from core.workspace import HOME
from tests.journeys.commands import gold, run

HEAVY = {"dspy", "litellm", "mlflow", "numpy", "scipy", "httpx"}


def loaded(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sorted(sys.modules))", *arguments],
        cwd=HOME, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["calls.ledger", "calls.models", "calls.limits", "calls.records"])
def test_light_modules_load_nothing_heavy(module):
    assert HEAVY & loaded(f"import {module}") == set()


OPTIMIZE = """
import sys
import cli
sys.argv = ["cli.py", "optimize", "extraction", "--budget", "40", "--pilot", "0", "--workspace", sys.argv[1]]
try:
    cli.main()
except SystemExit as done:
    assert not done.code, done.code
"""


def test_an_offline_run_never_loads_litellm(tmp_path):
    for name in ("configs", "corpora"):
        (tmp_path / name).symlink_to(HOME / name)
    modules = loaded(OPTIMIZE, str(tmp_path))
    assert "dspy" in modules
    assert "litellm" not in modules


COMMAND = """
import sys
import cli
sys.argv = ["cli.py", *sys.argv[1:]]
try:
    cli.main()
except SystemExit as done:
    print("ended with", done.code)
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A workspace with a finished run."""
    root = tmp_path_factory.mktemp("used")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl", 60), workspace=root)
    run("eval", "triage", workspace=root)
    return root, json.loads(run("runs", "--json", workspace=root)[1])["runs"][0]["run_id"]


@pytest.mark.parametrize("words", ["tasks", "runs", "history triage", "stop RUN"])
def test_light_commands_load_no_model_client_no_statistics_and_no_mlflow(used, words):
    root, run_id = used
    modules = loaded(COMMAND, *words.replace("RUN", run_id).split(), "--workspace", str(root))
    assert "commands.outcome" in modules
    assert {"dspy", "litellm", "mlflow", "scipy", "asyncio"} & modules == set()
    assert "pydantic" not in modules or words in ("tasks", "runs")  # which read task files, and records of runs
