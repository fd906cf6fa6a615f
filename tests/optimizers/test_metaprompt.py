"""The prompt trainer: how it batches, what it shows, what becomes the parent, and how dev decides."""

import dataclasses
import json

import dspy
import pytest

from core.digest import DigestSection
from core.errors import UsageError
from core.evaluation import RowResult, RowStatus
from core.workspace import Workspace
from data.annotations import Annotation, Preferred, keep
from optimizers import OPTIMIZERS
from optimizers.gepa import LimitedProposer
from optimizers.metaprompt import Attempt, MetapromptSettings, Trainer, decided, propose
from optimizers.optimize import optimize, purpose_of
from optimizers.search import run_search
from optimizers.settings import named_text
from programs.metaprompt import ImprovePrompt
from programs.prompts import read_prompts
from tasks.open_run import RunOptions, open_run
from tests.notes import notes
from tests.optimizers.reflectors import Listening, heard
from tests.optimizers.searching import searching
from tests.runs import task_of


def trained(search, **settings):
    """A trainer that has run."""
    search = dataclasses.replace(search, shape=dataclasses.replace(search.shape, settings=settings))
    trainer = Trainer(search, MetapromptSettings(**settings))
    run_search(type("Trains", (), {"name": "metaprompt", "run": lambda self, search: trainer.train()})(), search)
    return trainer


def test_every_epoch_draws_from_all_train_rows(tmp_path):
    with searching(tmp_path, settings={"train_size": 16, "epochs": 10}) as search:
        trainer = Trainer(search, MetapromptSettings(train_size=16, epochs=10))
        epochs = [[row.id for batch in trainer.batches(epoch) for row in batch] for epoch in range(10)]
        assert all(len(set(epoch)) == 16 for epoch in epochs)
        assert len({row for epoch in epochs for row in epoch}) > 40  # of 48; cut once for all it would stay at 16
        assert len({tuple(epoch) for epoch in epochs}) == 10
        assert [len(batch) for batch in trainer.batches(0)] == [8, 8]
        again = Trainer(search, MetapromptSettings(train_size=16, epochs=10))
        assert [r.id for b in again.batches(3) for r in b] == epochs[3]


def test_batches_differ_by_one_row_at_most(tmp_path):
    with searching(tmp_path, minibatch=20) as search:
        assert [len(batch) for batch in Trainer(search, MetapromptSettings()).batches(0)] == [16, 16, 16]


def test_dev_decides_by_the_paired_rule_and_not_by_a_higher_mean():
    rows = [f"r{n}" for n in range(50)]
    best = {row: float(n < 40) for n, row in enumerate(rows)}  # 0.80
    same, hair = dict(best), {**best, "r40": 1.0}  # 0.82: one row more, which is what noise looks like
    clear = {row: float(n < 48) for n, row in enumerate(rows)}
    assert not decided(best, same, rows, 0.2).promote
    assert not decided(best, hair, rows, 0.2).promote
    assert decided(best, clear, rows, 0.2).promote
    broken = {row: score for row, score in clear.items() if row not in ("r0", "r1", "r2", "r3")}
    assert not decided(best, broken, rows, 0.2).promote  # rows that it made unreadable count against it
    assert decided({}, {}, rows, 0.2) is None


def test_the_next_epoch_starts_from_the_best_and_rejected_attempts_stay_in_the_history(tmp_path):
    with searching(tmp_path, rollouts=700) as search:
        reflector = heard(search, lambda number, given: f"{given['current_instruction']} So {number}.")
        trainer = trained(search, epochs=2, history=3)
        first, *_, last = reflector.asked
        seed = search.journal.candidates[0].prompts.prompts[0].instruction
        assert trainer.best.prompts == search.journal.candidates[0].prompts  # words without meaning convince nobody
        starts = [asked["current_instruction"] for asked in reflector.asked]
        assert starts.count(seed) >= 2  # the first batch of each epoch
        assert first["other_attempts"] == "[]"
        assert last["other_attempts"].count('"hypothesis"') == 3
        assert "idea" in last["other_attempts"]


def test_a_proposal_that_does_worse_on_its_batch_is_no_parent(tmp_path):
    """The embedded student follows the rules of an instruction; these ones are wrong for nearly every row."""
    wrong = (
        '- kind: "water" in 60 of 100 texts; signs: stone 1/30\n'
        '- kind: "land" in 40 of 100 texts; signs: river 40/40, cloud 40/40'
    )
    with searching(tmp_path, rollouts=700) as search:
        reflector = heard(search, lambda number, given: f"{given['current_instruction']}\n{number}\n{wrong}")
        trained(search, epochs=1)
        parents = [asked["current_instruction"] for asked in reflector.asked]
        shown = json.loads(reflector.asked[-1]["other_attempts"])
        tried = [attempt for attempt in shown if "batch" in attempt["scored on"]]
        assert len(parents) > 3
        before = [float(attempt["scored on"].rpartition(" ")[2]) for attempt in tried]
        worse = [a["instruction"] for a, b in zip(tried, before, strict=True) if a["score"] < b]
        assert worse
        assert not set(worse) & set(parents)


def test_a_proposal_sees_the_rows_with_feedback_the_task_and_the_limits(tmp_path):
    with searching(tmp_path) as search:
        search = dataclasses.replace(search, about="Is the note about water or land?")
        reflector = heard(search)
        run_search(OPTIMIZERS.get("metaprompt"), search)
        shown = reflector.asked[0]
        assert shown["task_description"] == "Is the note about water or land?"
        assert shown["current_hypothesis"] == "the instruction that the task started with"
        assert shown["constraints"] == "none"
        assert shown["examples_with_feedback"].count('"Feedback"') == 8
        assert "expected" in shown["examples_with_feedback"]
        assert ImprovePrompt.instructions.splitlines()[0] in reflector.systems[0]
        assert len(search.journal.candidates) > 1
        holdout = {row.inputs["note"] for row in search.dev.rows}
        assert not any(note in shown["examples_with_feedback"] for note in holdout)


@pytest.mark.parametrize("history", [0, 2])
def test_the_history_is_as_long_as_asked_for(tmp_path, history):
    with searching(tmp_path, rollouts=400) as search:
        reflector = heard(search)
        trained(search, history=history)
        most = max(asked["other_attempts"].count('"hypothesis"') for asked in reflector.asked)
        assert most == history


def test_a_metaprompt_of_ones_own_is_what_the_reflector_is_told(tmp_path):
    notes(tmp_path, "http://127.0.0.1:9/v1")
    (tmp_path / "own.txt").write_text("Rewrite it as a sailor would.\n", "utf-8")
    offline = ("models.student=offline/small", "models.reflector=offline/large", "run.pilot=0")
    task = task_of(Workspace(tmp_path), "notes", *offline, "optimizer.settings.metaprompt=own.txt", name="metaprompt")
    with open_run(Workspace(tmp_path), task, purpose_of(task), RunOptions(track=False)) as run:
        line = run.lms["reflector"].line
        line.wire = Listening(line.wire)
        found = optimize(run)
        assert all("Rewrite it as a sailor would." in system for system in line.wire.systems)
        assert line.wire.systems
        named = named_text(run.store, tmp_path, f"run:{found.run_id}")
        assert named == found.winner.prompts[0].instruction
        with pytest.raises(UsageError, match=r"no file .*other\.txt"):
            named_text(run.store, tmp_path, "other.txt")
    tuned = f"optimizer.settings.metaprompt=run:{found.run_id}"
    with_it = task_of(Workspace(tmp_path), "notes", *offline, tuned, name="metaprompt", budget=90)
    with open_run(Workspace(tmp_path), with_it, purpose_of(with_it), RunOptions(track=False)) as run:
        line = run.lms["reflector"].line
        line.wire = Listening(line.wire)
        optimize(run)
        told = [" ".join(system.split()) for system in line.wire.systems]
    assert told
    assert all(" ".join(named.split()) in system for system in told)  # what a run found, as another one's metaprompt
    before = purpose_of(task).identity
    (tmp_path / "own.txt").write_text("Rewrite it as a monk would.\n", "utf-8")
    assert purpose_of(task).identity != before  # another text is another run


def test_what_people_said_about_train_rows_is_beside_the_feedback(tmp_path):
    with searching(tmp_path, rollouts=200, settings={"annotations": "said.jsonl"}) as search:
        path = tmp_path / "said.jsonl"
        for row, comment in ((search.train.rows[0], "a bridge is on land"), (search.dev.rows[0], "never shown")):
            keep(path, Annotation(row.id, {}, {}, {"kind": "water"}, 0.0, comment, "ann", "2026-01-01T00:00:00Z", "h"))
        row, both = search.train.rows[1], ({"kind": "land"}, {"kind": "water"})
        keep(path, Preferred(row.id, {}, {}, *both, "second", "it rains", "ann", "2026-01-01T00:00:00Z", ("a", "b")))
        search = dataclasses.replace(search, text_of=lambda name: (tmp_path / name).read_text("utf-8"))
        reflector = heard(search)
        trained(search, epochs=1, annotations="said.jsonl")
        shown = [asked["examples_with_feedback"] for asked in reflector.asked]
        assert sum("a bridge is on land" in text for text in shown) == 1
        assert sum('"better answer": {"kind": "water"}' in text for text in shown) == 1
        assert not any("never shown" in text for text in shown)


def reflected(search, strategy, digest):
    """How long the examples are that a reflector is sent, for rows of 18 000 characters."""
    search = dataclasses.replace(search, digest=digest)
    reflector = heard(search, lambda number, given: "Name the kind.")
    if strategy == "gepa":
        rows = [{"Inputs": {"note": "w" * 900}, "Generated Outputs": {"kind": "land"}, "Feedback": "x"}] * 20
        with dspy.context(lm=search.reflector):
            LimitedProposer(search)({"analyse": "Read."}, {"analyse": rows}, ["analyse"])
    else:
        row = RowResult("r", RowStatus.OK, 0.0, {}, "x", {"note": "w" * 900}, {}, {"kind": "land"})
        propose(search, "analyse", Attempt(read_prompts(search.program), ""), (), [row] * 20)
    return len(reflector.asked[0]["examples_with_feedback"])


@pytest.mark.parametrize("strategy", ["gepa", "metaprompt"])
def test_feedback_that_would_overflow_the_reflector_is_cut_before_it_is_asked(tmp_path, strategy):
    with searching(tmp_path) as search:
        assert reflected(search, strategy, DigestSection(char_budget=6_000)) < 10_000
        assert reflected(search, strategy, DigestSection(enabled=False)) > 18_000
