"""The floors hold: each kind of forbidden import, planted in a copy of the project, is refused by name."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core.workspace import HOME
from tests.journeys.commands import HANGS

LINT = Path(sys.executable).with_name("lint-imports")
FLOORS, MLFLOW, DSPY = "Floors", "MLflow", "know no DSPy"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """The packages and their contracts, without the rest; the linter's cache stays here."""
    root = tmp_path_factory.mktemp("house")
    shutil.copy(HOME / "pyproject.toml", root)
    settings = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    for package in settings["root_packages"]:
        if (HOME / package).is_dir():
            shutil.copytree(HOME / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(HOME / f"{package}.py", root)
    return root


def lint(house):
    """The exit code and the lines that say which contracts hold."""
    done = subprocess.run([LINT], cwd=house, capture_output=True, text=True, check=False, timeout=HANGS)
    broken = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert "KEPT" in done.stdout or broken, done.stdout + done.stderr
    return done.returncode, broken


def test_the_project_as_it_stands_keeps_every_contract(house):
    assert lint(house) == (0, [])


@pytest.mark.parametrize(
    ("room", "planted", "contract"),
    [
        ("reports/style.py", "import dspy", DSPY),
        ("core/money.py", "import dspy", DSPY),
        ("core/money.py", "import mlflow", MLFLOW),
        ("calls/limits.py", "import mlflow", MLFLOW),
        ("gates/gate.py", "from mlflow import MlflowClient", MLFLOW),
        ("core/money.py", "import tasks.files", FLOORS),
        ("calls/limits.py", "import data.corpus", FLOORS),
    ],
    ids=lambda value: value.split()[-1],
)
def test_a_forbidden_import_is_refused(house, room, planted, contract):
    path = house / room
    text = path.read_text("utf-8")
    path.write_text(f"{text}\n\ndef planted():\n    {planted}\n", "utf-8")
    try:
        code, broken = lint(house)
    finally:
        path.write_text(text, "utf-8")
    assert code != 0
    assert [contract in line for line in broken] == [True]
