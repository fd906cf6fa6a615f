"""The service desk: messages with a person's labels, and a teacher's verdicts on them with what each has cost."""

import json
from collections import Counter
from pathlib import Path

import dspy
import pytest

from core.workspace import Workspace
from offline import OfflineEngine
from tasks.task import assemble, read_config
from tests.corpora.wording import largest_overlap

HOME = Path(__file__).resolve().parents[2]
ROWS, GOLD = (
    [json.loads(line) for line in (HOME / "corpora" / name).read_text("utf-8").splitlines()]
    for name in ("service_desk.jsonl", "service_desk.gold.jsonl")
)


def test_there_are_thirty_messages_a_queue_and_none_is_like_another():
    assert set(Counter(row["label"]["queue"] for row in ROWS).values()) == {30}
    assert len({row["id"] for row in ROWS}) == len(ROWS) == 180
    assert largest_overlap(row["input"]["message"] for row in ROWS) <= 0.1


def test_the_teacher_was_asked_about_these_messages_and_its_cost_was_measured():
    assert [(row["id"], row["input"]) for row in GOLD] == [(row["id"], row["input"]) for row in ROWS]
    assert {(row["teacher"]["teacher"], row["teacher"]["model"]) for row in GOLD} == {("service_desk", "stand-in/opus")}
    assert len({row["teacher"]["prompt_hash"] for row in GOLD}) == 1
    assert sum(row["teacher"]["cost_usd"] for row in GOLD) == pytest.approx(0.4909, abs=0.0001)


def test_the_teacher_agrees_with_the_person_in_six_of_seven_messages():
    same = sum(mine["label"] == theirs["label"] for mine, theirs in zip(ROWS, GOLD, strict=True))
    assert same == 154


def test_the_teacher_still_says_what_was_frozen():
    place = Workspace(HOME)
    task = assemble(read_config(place, "service_desk", []), place)
    with dspy.context(lm=dspy.LM("offline/large", engine=OfflineEngine("large"), cache=False), adapter=task.adapter):
        said = [task.program(**row["input"]).queue for row in GOLD[:30]]
    assert said == [row["label"]["queue"] for row in GOLD[:30]]
