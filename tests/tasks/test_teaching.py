"""A command as teacher: verdicts are frozen once, with what they took; a failure is never a verdict."""

import json
import sys
import time

import pytest

from core.errors import DataError, ModelError, UsageError
from tasks.command_teacher import CommandTeacher
from tasks.teaching import command_words, freeze, read_questions
from tests.journeys.commands import started_code

AUDIT = """
import json, pathlib, sys, time
row = json.load(sys.stdin)
with open(sys.argv[1], "a") as log:
    log.write(row["text"] + "\\n")
if row["text"] == "crash":
    sys.exit("cannot audit this")
if row["text"] == "hang":
    time.sleep(60)
if row["text"] == "prose":
    print("I think it is fine")
elif row["text"] == "empty":
    print("{}")
else:
    print(json.dumps({"verdict": "keep" if "good" in row["text"] else "cut"}))
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "audit.py").write_text(AUDIT, "utf-8")
    return tmp_path


def questions(place, *texts):
    path = place / "inputs.jsonl"
    path.write_text("\n".join(json.dumps({"id": f"q:{t}", "input": {"text": t}, "split": "test"}) for t in texts))
    return read_questions(path)


def teacher(place, timeout=300.0, threads=2):
    return CommandTeacher((sys.executable, str(place / "audit.py"), str(place / "log")), timeout, threads)


def frozen(place):
    return [json.loads(line) for line in (place / "gold.jsonl").read_text("utf-8").splitlines()]


def test_verdicts_are_frozen_in_order_with_their_provenance(place):
    done = freeze(teacher(place), questions(place, "good one", "bad", "good two"), place / "gold.jsonl")
    assert (done.already, done.frozen, done.failed) == (0, 3, ())
    rows = frozen(place)
    assert [(r["id"], r["label"]["verdict"], r["split"]) for r in rows] == [
        ("q:good one", "keep", "holdout"), ("q:bad", "cut", "holdout"), ("q:good two", "keep", "holdout"),
    ]  # fmt: skip
    provenance = rows[0]["teacher"]
    assert provenance["teacher"].endswith("audit.py " + str(place / "log"))
    assert provenance["latency_s"] > 0
    assert (provenance["cost_usd"], provenance["model"], provenance["prompt_hash"]) == (None, None, None)


def test_a_frozen_row_is_not_asked_again(place):
    gold = place / "gold.jsonl"
    freeze(teacher(place), questions(place, "good one"), gold)
    first = gold.read_text("utf-8")
    done = freeze(teacher(place), questions(place, "good one", "bad"), gold)
    assert (done.already, done.frozen) == (1, 1)
    assert gold.read_text("utf-8").startswith(first)
    assert (place / "log").read_text("utf-8").split("\n") == ["good one", "bad", ""]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("crash", "exit code 1: cannot audit this"),
        ("prose", "stdout is not JSON"),
        ("empty", "an empty verdict"),
        ("hang", "no verdict within 0.5 s"),
    ],
)
def test_a_failure_is_recorded_and_is_no_verdict(place, text, reason):
    done = freeze(teacher(place, timeout=0.5 if text == "hang" else 300), questions(place, text), place / "gold.jsonl")
    assert done.frozen == 0
    assert not (place / "gold.jsonl").exists()
    (failure,) = (json.loads(x) for x in (place / "gold.jsonl.failed.jsonl").read_text("utf-8").splitlines())
    assert (failure["id"], failure["status"]) == (f"q:{text}", "failed")
    assert failure["error"].startswith(reason)


def test_failures_are_asked_again_and_forgotten_when_they_succeed(place):
    gold = place / "gold.jsonl"
    freeze(teacher(place), questions(place, "good", "crash"), gold)
    assert [r["id"] for r in frozen(place)] == ["q:good"]
    (place / "audit.py").write_text(AUDIT.replace('== "crash"', '== "never"'), "utf-8")
    done = freeze(teacher(place), questions(place, "good", "crash"), gold)
    assert (done.already, done.frozen) == (1, 1)
    assert not (place / "gold.jsonl.failed.jsonl").exists()


def test_a_command_that_does_not_exist_is_a_failure_of_the_row(place):
    done = freeze(CommandTeacher(("/no/such/auditor",), 5), questions(place, "good"), place / "gold.jsonl")
    assert done.failed[0][1].startswith("cannot be run:")


def test_words_of_a_command_never_reach_a_shell(place):
    words = (*teacher(place).words[:2], str(place / "log; touch hacked"))
    freeze(CommandTeacher(words, 30), questions(place, "good"), place / "gold.jsonl")
    assert not (place / "hacked").exists()
    assert (place / "log; touch hacked").exists()


def test_an_input_that_changed_under_its_id_is_refused(place):
    gold = place / "gold.jsonl"
    freeze(teacher(place), questions(place, "good"), gold)
    gold.write_text(gold.read_text("utf-8").replace('"text": "good"', '"text": "other"'), "utf-8")
    with pytest.raises(DataError, match="frozen with another input"):
        freeze(teacher(place), questions(place, "good"), gold)


def test_a_command_is_split_into_words():
    assert command_words("cmd: ./audit --name 'two words'") == ("./audit", "--name", "two words")
    with pytest.raises(UsageError, match="no command"):
        command_words("cmd:")
    with pytest.raises(UsageError, match="No closing quotation"):
        command_words("cmd: 'open")


def test_questions_need_an_id_and_an_input(place):
    (place / "inputs.jsonl").write_text('{"id": "a", "text": "x"}\n{"input": {"text": "x"}}\n', "utf-8")
    with pytest.raises(DataError, match=r"(?s)inputs.jsonl:1: the row has no input.*:2: the row has no id"):
        read_questions(place / "inputs.jsonl")


def test_a_command_that_fails_row_after_row_is_asked_no_more(place):
    texts = [f"crash {n}" for n in range(40)]
    (place / "audit.py").write_text(AUDIT.replace('row["text"] == "crash"', '"crash" in row["text"]'), "utf-8")
    with pytest.raises(ModelError, match=r"fails row after row; stopped\. The last one: exit code 1: cannot audit"):
        freeze(teacher(place), questions(place, *texts), place / "gold.jsonl")
    assert len((place / "log").read_text("utf-8").splitlines()) <= 5 + 2  # two were under way
    assert (place / "gold.jsonl.failed.jsonl").exists()


FREEZE = """
import sys
from pathlib import Path
from tasks.command_teacher import CommandTeacher
from tasks.teaching import freeze, read_questions
place = Path(sys.argv[1])
teacher = CommandTeacher((sys.executable, str(place / "audit.py"), str(place / "log")), 30.0, 3)
freeze(teacher, read_questions(place / "inputs.jsonl"), place / "gold.jsonl")
"""


def test_a_row_is_asked_once_however_often_the_asker_is_killed(place):
    slow = AUDIT.replace('if row["text"] == "crash"', 'time.sleep(0.4)\nif row["text"] == "crash"')
    (place / "audit.py").write_text(slow, "utf-8")
    texts = [f"good {n}" for n in range(12)]
    questions(place, *texts)
    log, kills = place / "log", 0
    for most in (1, 4, 8, 99):
        process = started_code(FREEZE, place)
        while process.poll() is None and (not log.exists() or len(log.read_text("utf-8").splitlines()) < most):
            time.sleep(0.01)
        kills += process.poll() is None
        process.kill()
    assert kills == 3
    assert sorted(log.read_text("utf-8").splitlines()) == sorted(texts)
    assert [row["id"] for row in frozen(place)] == [f"q:{text}" for text in texts]
    assert not (place / "gold.jsonl.asked").exists()
