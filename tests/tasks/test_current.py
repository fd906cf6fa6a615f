"""Which prompt is in use: contenders in the order of what they have proven, and what counts as a step back."""

import dataclasses

import pytest

from core.candidate import ProgramPrompts, Prompt
from core.optimization import RunStart
from core.plain import to_json
from core.verdict import Decision
from core.workspace import Workspace
from programs.prompts import read_prompts, schema_hash
from tasks.current import contenders, current_prompt, downgrade
from tests.reports.test_render import outcome
from tests.runs import task_of
from tracking.events import EventKind
from tracking.store import Store


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    from core.workspace import HOME

    return task_of(Workspace(HOME), "extraction")


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "proven.db")
    yield opened
    opened.close()


def prompts(text):
    return ProgramPrompts((Prompt("extract", text),))


def result(task, run_id, before, lift, **changes):
    """A promoted run whose prompt had to beat one with the score ``before``."""
    base = outcome(text="plain")
    evidence = dataclasses.replace(
        base.verdict.evidence, baseline=before, candidate=before + lift, delta=lift, delta_adjusted=lift * 0.8,
        adjusted_low=lift * 0.4, adjusted_high=lift, low=lift * 0.5, high=lift * 1.5,
    )  # fmt: skip
    made = dataclasses.replace(
        base, run_id=run_id, task=task.name, winner=prompts(run_id), baseline=prompts("seed"),
        splits=task.splits.info, schema_hash=schema_hash(task.program),
        params={"student": task.models["student"].alias, "metric": task.metric.name},
        verdict=dataclasses.replace(base.verdict, decision=Decision.PROMOTE, evidence=evidence),
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def keep(store, *outcomes):
    for made in outcomes:
        start = RunStart(made.run_id, made.task, "cmd", made.started_at, {}, {}, made.splits, {})
        store.start_run(start)
        store.append(made.run_id, EventKind.FINISHED, to_json(made))
        store.finish_run(made.run_id, "finished")


def test_without_anything_proven_it_is_the_seed(store, task):
    held = result(task, "h", 0.3, 0.2)
    held = dataclasses.replace(held, verdict=dataclasses.replace(held.verdict, decision=Decision.HOLD))
    keep(store, held)
    current = current_prompt(store, task)
    assert (current.source, current.run_id, current.prompts) == ("seed", None, read_prompts(task.program))


def test_without_a_champion_it_is_the_best_proven_and_not_the_newest(store, task):
    keep(store, result(task, "a", 0.3, 0.444), result(task, "b", 0.3, 0.156), result(task, "c", 0.3, 0.2))
    assert [c.outcome.run_id for c in contenders(store, task).ranked] == ["a", "c", "b"]
    assert (current_prompt(store, task).source, current_prompt(store, task).run_id) == ("best proven", "a")


def test_a_small_lift_over_an_earlier_winner_counts_more_than_a_large_one_over_the_seed(store, task):
    keep(store, result(task, "a", 0.3, 0.4), result(task, "b", 0.7, 0.05, baseline=prompts("a")))
    assert current_prompt(store, task).run_id == "b"


def test_the_champion_is_in_use_whatever_is_proven_until_it_is_rolled_back(store, task):
    best, other = result(task, "a", 0.3, 0.4), result(task, "b", 0.3, 0.1)
    keep(store, best, other)
    store.promote(task.name, "b", other.winner, {}, False, "chosen")
    assert (current_prompt(store, task).source, current_prompt(store, task).run_id) == ("champion", "b")
    store.rollback_to_seed(task.name, read_prompts(task.program), {})
    assert (current_prompt(store, task).source, current_prompt(store, task).run_id) == ("seed", None)
    store.rollback(task.name)
    assert (current_prompt(store, task).source, current_prompt(store, task).run_id) == ("champion", "b")


def test_runs_on_other_rows_or_for_other_fields_are_not_compared(store, task):
    other_rows = dataclasses.replace(task.splits.info, fingerprint="f", holdout_fingerprint="h")
    keep(
        store,
        result(task, "a", 0.3, 0.1),
        result(task, "rows", 0.3, 0.5, splits=other_rows),
        result(task, "student", 0.3, 0.5, params={"student": "another", "metric": task.metric.name}),
        result(task, "fields", 0.3, 0.5, schema_hash="another"),
    )
    found = contenders(store, task)
    assert [c.outcome.run_id for c in found.ranked] == ["a"]
    assert {c.outcome.run_id for c in found.others} == {"rows", "student"}


def test_a_record_that_cannot_be_read_is_named_and_does_not_stop_the_others(store, task):
    keep(store, result(task, "a", 0.3, 0.1), result(task, "broken", 0.3, 0.5))
    with store._write() as db:
        db.execute(
            "update events set payload = '{}' where run_id = 'broken' and kind = 'finished'",
        )
    assert contenders(store, task).unreadable == ("broken",)
    assert current_prompt(store, task).run_id == "a"


def test_a_lower_proven_score_on_the_same_rows_is_a_step_back_and_on_others_it_is_not(task):
    high, low = result(task, "a", 0.3, 0.444), result(task, "b", 0.3, 0.156)
    assert "its proven score is 0.425, the champion's 0.655 on the same rows" in (downgrade(low, high) or "")
    assert downgrade(high, low) is None
    assert downgrade(dataclasses.replace(low, params={"student": "another"}), high) is None


def test_what_had_to_be_beaten_and_was_is_worse_than_what_beat_it(task):
    first = result(task, "a", 0.3, 0.4)
    second = result(task, "b", 0.5, 0.05, baseline=first.winner, params={"student": "another"})
    assert "had to beat this very prompt" in (downgrade(first, second) or "")
    assert downgrade(second, first) is None
