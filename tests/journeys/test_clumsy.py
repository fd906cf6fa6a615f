"""Files that are not what they should be, and code that must not run: a named mistake, never a traceback."""

import json
import sqlite3

import pytest

from tests.journeys.commands import gold, run
from tests.notes import notes

LOUD = """
from pathlib import Path

import dspy

Path(__file__).with_name("it-ran").write_text("yes")


class Loud(dspy.Module):
    def __init__(self):
        super().__init__()
        self.say = dspy.Predict("note -> kind")

    def forward(self, note):
        return self.say(note=note)


def metric(example, pred, trace=None):
    return 1.0


LIVE = "Is it water?"
"""


@pytest.fixture
def loud(tmp_path):
    root = notes(tmp_path, "http://127.0.0.1:9/v1")
    (root / "loud.py").write_text(LOUD, "utf-8")
    path = root / "configs" / "notes.yaml"
    own = "program: loud:Loud\nmetric: {name: 'loud:metric'}\nproduction: loud:LIVE\n"
    path.write_text(path.read_text("utf-8") + own, "utf-8")
    return root


def test_without_code_nothing_of_a_task_runs_and_it_is_named_as_unchecked(loud):
    ran = loud / "it-ran"
    code, out, _ = run("validate", "--no-code", workspace=loud)
    assert code == 0
    for said in ("program: loud:Loud", "metric.name: loud:metric", "production: loud:LIVE"):
        assert f"note: {said} is not checked, because it was not run" in out
    shown = json.loads(run("show", "notes", "--no-code", "--json", workspace=loud)[1])
    assert shown["not_run"] == {"program": "loud:Loud", "metric.name": "loud:metric", "production": "loud:LIVE"}
    assert shown["splits"]["holdout"] > 0
    assert "not run    program: loud:Loud" in run("show", "notes", "--no-code", workspace=loud)[1]
    assert not ran.exists()
    code, out, _ = run("validate", "--no-code", "--set", "gate.min_rows=5000", workspace=loud, check=False)
    assert (code, "gate.min_rows: 5000" in out) == (78, True)
    words = ("validate", "notes", "--no-code", "--set", "program=analist")
    code, out, _ = run(*words, workspace=loud, check=False)
    assert (code, "did you mean 'analyst'?" in out) == (64, True)
    assert not ran.exists()
    assert "not checked" not in run("validate", workspace=loud)[1]
    assert ran.exists(), "and without the flag it runs, as the help says"
    for command in ("validate", "show"):
        assert "module:Name" in run(command, "--help")[1]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    root = tmp_path_factory.mktemp("clumsy")
    run("init", root)
    run("init", "triage", "--from-gold", gold(root / "triage.jsonl", n=60), workspace=root)
    return root


def foreign(path):
    """A sound database of another program."""
    db = sqlite3.connect(path)
    db.execute("create table songs (title text)")
    db.commit()
    db.close()


def cut(path):
    """The first half of a database, as a full disk leaves it."""
    foreign(path)
    path.write_bytes(path.read_bytes()[:2500])


KINDS = {
    "zero": lambda path: path.write_bytes(b""),
    "foreign": foreign,
    "text": lambda path: path.write_text("no database " * 400),
    "cut": cut,
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["proven.db", "ledger.db"])
def test_a_database_that_is_not_ours_is_named_with_what_to_do(empty, name, kind):
    folder = empty / "mlruns"
    path = folder / name
    for old in folder.glob(f"{name}*"):
        old.rmdir() if old.is_dir() else old.unlink()
    KINDS[kind](path)
    before = path.read_bytes() if path.is_file() else None
    commands = {
        "proven.db": [("runs",), ("show", "triage"), ("promote", "triage"), ("verify", "x"), ("optimize", "triage")],
        "ledger.db": [("ledger",), ("optimize", "triage", "--dry-run"), ("eval", "triage")],
    }[name]
    for words in commands:
        code, _, err = run(*words, workspace=empty, check=False)
        assert code in (66, 73), (words, err)
        assert name in err, (words, err)
        assert "hint:" in err, (words, err)
    assert before is None or path.read_bytes() == before, "nothing is written into what is not ours"
    path.rmdir() if path.is_dir() else path.unlink()
    assert run("runs", workspace=empty)[0] == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("signal (weight: 1.2.3)", "could not convert"),
        ("signal (weight: " + "9" * 400 + ")", "finite"),
        ("signal (weight: 0)", "greater than 0"),
    ],
)
def test_a_criterion_whose_shorthand_is_no_weight_is_a_mistake(empty, said, why):
    (empty / "mlruns").mkdir(exist_ok=True)
    words = f"judge={json.dumps({'criteria': [said]})}"
    code, out, _ = run("validate", "triage", "--set", words, workspace=empty, check=False)
    assert (code, why in out) == (78, True), out


def test_a_criterion_that_is_hard_to_read_is_read_in_linear_time(empty):
    """Nearly a shorthand, 200 000 characters long: a pattern that goes back and forth would not end."""
    path = empty / "configs" / "long.yaml"
    head = (empty / "configs" / "triage.yaml").read_text("utf-8").replace("task: triage", "task: long")
    for text in (
        "a " * 40_000,
        "a" + " " * 80_000,
        "a (weight: " * 8_000,
        "a (weight: 1" + " " * 80_000,
        "-_ " * 30_000,
    ):
        path.write_text(head + f"judge: {{criteria: [{json.dumps(text + '!')}]}}\n", "utf-8")
        assert run("validate", "long", workspace=empty, check=False)[0] in (0, 78)
    path.unlink()


def test_a_pattern_that_is_none_is_a_mistake(empty):
    code, out, _ = run("validate", "triage", "--set", "run.redact=['(unclosed']", workspace=empty, check=False)
    assert (code, "'(unclosed' is not a regular expression" in out) == (78, True), out
