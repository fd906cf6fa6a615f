"""The metaprompt as a task: rows that share nothing, a program that really uses its own instruction, three scores."""

import contextlib

import dspy
import pytest

from calls.account import Account
from calls.ledger import Ledger
from calls.lm import build_lm
from calls.models import ModelSpec
from core.errors import DataError
from core.workspace import HOME, Workspace
from data.corpus import Row
from tasks.sub_tasks import Improvement, MetapromptTask, Preferred, SubTasks, rows_of, windows
from tests.notes import notes
from tests.optimizers.reflectors import Listening

ROW = Row("r", {"sub_task": "notes"}, {})


@contextlib.contextmanager
def writing(root, written=None):
    """The program over the notes task, and what its model is asked."""
    path = notes(root, "http://127.0.0.1:9/v1") / "configs" / "notes.yaml"
    path.write_text(path.read_text("utf-8").replace("student: far, reflector: mind", "student: offline/small"), "utf-8")
    ledger = Ledger(root / "ledger.db")
    account = Account(ledger, "metaprompt")
    lm = build_lm(ModelSpec("offline/large", "offline/large"), "student", account)
    lm.line.wire = Listening(lm.line.wire, written)
    program = MetapromptTask(SubTasks(Workspace(root)))
    try:
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
            yield program, lm.line.wire
    finally:
        account.close()
        ledger.close()


@pytest.mark.parametrize(
    ("old", "new", "steps", "continuous"),
    [([0.6, 0.6], [0.8, 0.8], 1.0, 0.6), ([0.6, 0.6], [0.5, 0.7], 0.5, 0.5), ([0.8], [0.6], 0.0, 0.4)],
)
def test_better_equal_and_worse_as_steps_and_on_the_whole_scale(old, new, steps, continuous):
    prediction = {"original_scores": old, "new_scores": new}
    assert Improvement().judge(ROW, prediction).score == steps
    assert Improvement("continuous").judge(ROW, prediction).score == pytest.approx(continuous)
    assert Improvement("continuous").judge(ROW, prediction).fields["steps"] == steps


def test_a_row_without_a_score_counts_against_the_new_prompt():
    assert Improvement().judge(ROW, {"original_scores": [0.5], "new_scores": [None]}).score == 0.0
    assert Improvement().judge(ROW, {"original_scores": [None], "new_scores": [0.9]}).score == 0.0
    with pytest.raises(ValueError, match="no new_scores"):
        Improvement().judge(ROW, {"new": "text"})
    with pytest.raises(ValueError, match="allowed: steps, continuous"):
        Improvement("medals")


def test_windows_share_no_row_and_none_is_of_the_holdout():
    task = SubTasks(Workspace(HOME)).get("extraction")
    found = list(windows(task, 2, 2))
    used = [row for window in found for part in ("train_rows", "dev_rows") for row in window["input"][part]]
    assert len(found) > 10
    assert len(used) == len(set(used)) == 4 * len(found)
    assert not set(used) & {row.id for row in task.splits.holdout}
    assert found == list(windows(task, 2, 2))
    with pytest.raises(DataError, match="no row"):
        rows_of(task, [task.splits.holdout[0].id])


def test_the_candidate_s_own_text_reaches_the_model_and_its_prompt_is_tried(tmp_path):
    with writing(tmp_path) as (program, asked):
        task = program.sub_tasks.get("notes")
        train, dev = [row.id for row in task.splits.train[:30]], [row.id for row in task.splits.dev]
        first = program(sub_task="notes", train_rows=train, dev_rows=dev)
        other = program.deepcopy()
        other.propose.signature = other.propose.signature.with_instructions("Write it for a parrot.")
        other(sub_task="notes", train_rows=train, dev_rows=dev)
    assert len(asked.systems) == 2
    assert "Write it for a parrot." in asked.systems[1]
    assert "Write it for a parrot." not in asked.systems[0]
    assert first.new != first.original
    assert len(first.new_scores) == len(first.original_scores) == len(dev)
    assert sum(first.new_scores) > sum(first.original_scores)
    shown = asked.asked[0]["examples_with_feedback"]
    assert shown.count('"Feedback"') == 30
    assert not any(row.inputs["note"] in shown for row in (*task.splits.dev, *task.splits.holdout))


def test_a_prompt_that_may_not_be_used_leaves_the_task_as_it_was(tmp_path):
    with writing(tmp_path, lambda number, given: "") as (program, _):
        task = program.sub_tasks.get("notes")
        ids = [row.id for row in task.splits.train[:4]]
        found = program(sub_task="notes", train_rows=ids[:2], dev_rows=ids[2:])
    assert found.new == found.original
    assert Improvement().judge(ROW, dict(found)).score == 0.5


def test_a_judge_may_have_a_say_in_which_instruction_is_better(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    account = Account(ledger, "judge")
    lm = build_lm(ModelSpec("offline/large", "offline/large"), "judge", account)
    same = {"original": "Sort the notes by kind.", "new": "Sort the notes by kind."}
    scores = {"original_scores": [0.6], "new_scores": [0.8]}
    try:
        judge = Preferred(weight=0.25).bound([lm])
        tie = judge.judge(ROW, same | scores)
        assert tie.fields == {"steps": 1.0, "continuous": pytest.approx(0.6), "preferred": 0.5}
        assert tie.score == pytest.approx(0.75 * 1.0 + 0.25 * 0.5)
        empty = judge.judge(ROW, same | scores | {"new": "?"})
        assert (empty.fields["preferred"], empty.score) == (0.0, pytest.approx(0.75))
        asked = account.spent()["judge"]
        assert asked.calls + asked.hits == 4  # each pair in both orders
    finally:
        account.close()
        ledger.close()
    with pytest.raises(ValueError, match=r"metric\.models"):
        Preferred().judge(ROW, same | scores)
    with pytest.raises(ValueError, match="allowed: 0 to 1"):
        Preferred(weight=2)


def test_feedback_says_which_levers_the_new_instruction_does_not_use():
    said = Improvement().judge(ROW, {"new": "Sort.", "original_scores": [0.5], "new_scores": [0.6]}).feedback
    assert "Next time: Quote two worked examples" in said
    perfect = Improvement().judge(ROW, {"new": "Sort.", "original_scores": [0.5], "new_scores": [1.0]}).feedback
    assert "Next time" not in perfect


def test_the_writer_of_a_sub_task_does_what_the_metaprompt_says(tmp_path):
    with writing(tmp_path) as (program, _):
        task = program.sub_tasks.get("notes")
        ids = [row.id for row in task.splits.train[:6]]
        told = program.deepcopy()
        more = f"{told.propose.signature.instructions}\nQuote two worked examples."
        told.propose.signature = told.propose.signature.with_instructions(more)
        plain, new = (p(sub_task="notes", train_rows=ids[:4], dev_rows=ids[4:]).new for p in (program, told))
    assert "Worked examples:" not in plain
    assert new.partition("Worked examples:")[2].count("Answer: ") == 2
