"""Rows that would overflow whoever proposes are cut before it is asked; what is tried stays whole."""

import contextlib
import dataclasses
import json

import dspy
import pytest

from core.candidate import Candidate
from core.digest import DigestSection
from core.errors import BudgetError
from core.evaluation import Usage
from metrics.metric import ExampleBook
from optimizers import OPTIMIZERS
from optimizers.merging import merged
from optimizers.search import run_search
from optimizers.simba import build_simba
from programs.prompts import predictors, read_prompts
from tests.optimizers.reflectors import Listening
from tests.optimizers.searching import searching

LONG, CUT, WHOLE = 900, DigestSection(char_budget=3_000), DigestSection(enabled=False)


@contextlib.contextmanager
def asking(root, role, digest, **size):
    """A search with twelve train rows of 900 characters, and whoever proposes."""
    with searching(root, **size) as search:
        rows = [dataclasses.replace(r, inputs={"note": r.inputs["note"].ljust(LONG, "w")}) for r in search.train.rows]
        line = getattr(search, role).line
        line.wire = Listening(line.wire)
        yield dataclasses.replace(search, train=ExampleBook(rows[:12]), digest=digest), line.wire


def proposed(root, digest):
    """What MIPROv2's proposer is asked, and the demos that were tried."""
    size = {"rollouts": 88, "settings": {"candidates": 3, "trials": 2}}
    with asking(root, "proposer", digest, **size) as (search, proposer):
        run_search(OPTIMIZERS.get("mipro"), search)
        demos = [demo for one in search.journal.candidates for p in one.prompts.prompts for demo in p.demos]
        return proposer.asked, demos


def test_the_proposer_of_mipro_is_shown_train_rows_and_demos_cut_to_what_fits(tmp_path):
    (cut, demos), (whole, _) = proposed(tmp_path / "cut", CUT), proposed(tmp_path / "whole", WHOLE)
    assert max(len(asked.get("examples", "")) for asked in whole) > 9_000
    assert max(len(asked.get("examples", "")) for asked in cut) < 4_000  # ten rows; their frame is beside the budget
    assert max(len(asked.get("task_demos", "")) for asked in whole) > 1_800
    assert 500 < max(len(asked.get("task_demos", "")) for asked in cut) <= 3_000
    assert min(len(str(demo)) for demo in demos) > LONG


def advised(root, digest):
    """What SIMBA's reflector is asked about a row that went well once and badly once."""
    with asking(root, "reflector", digest) as (search, reflector):
        program, example = search.program, search.train.examples[0]
        ((name, predictor),) = predictors(program)

        def ran(score, kind):
            step = (predictor, {"note": example.note}, {"reasoning": "r" * LONG, "kind": kind})
            return {"trace": [step], "prediction": dspy.Prediction(kind=kind), "score": score, "example": example,
                    "output_metadata": {}}  # fmt: skip

        bucket = [ran(1.0, "land"), ran(0.5, "both"), ran(0.0, "water")]
        named = {"predictor2name": {id(predictor): name}, "name2predictor": {name: predictor}}
        build_simba(search).strategies[-1](
            bucket, program, **named, batch_10p_score=0.1, batch_90p_score=0.9, prompt_model=search.reflector
        )
        assert [len(one["trace"][0][1]["note"]) for one in bucket] == [LONG] * 3
        return reflector.asked[0]


def test_the_reflector_of_simba_is_shown_both_runs_cut_to_what_fits(tmp_path):
    parts = "program_inputs", "oracle_metadata", "better_program_trajectory", "worse_program_trajectory"
    cut, whole = advised(tmp_path / "cut", CUT), advised(tmp_path / "whole", WHOLE)
    assert sum(len(whole[part]) for part in parts) > 5 * LONG
    assert sum(len(cut[part]) for part in parts) < 3_600
    assert json.loads(cut["worse_program_trajectory"])[0]["outputs"]["kind"] == "water"
    assert json.loads(cut["worse_program_trajectory"])[0]["outputs"]["reasoning"].endswith("...")


def test_runs_that_do_not_fit_however_they_are_cut_are_noted(tmp_path):
    with asking(tmp_path, "reflector", DigestSection(char_budget=1_024)) as (search, reflector):
        ((_, predictor),) = predictors(search.program)
        step = (predictor, {"note": "w" * 900}, {f"field {n}": "w" * 900 for n in range(40)})
        run = {"trace": [step], "prediction": None, "score": 0.0, "example": search.train.examples[0],
               "output_metadata": {}}  # fmt: skip
        with pytest.raises(BudgetError, match="do not fit into 1024"):
            build_simba(search).strategies[-1]([run, run], search.program)
        assert not reflector.asked
        assert "do not fit into 1024" in search.journal.notes[0]


def test_a_merge_is_shown_the_rows_of_its_parents_cut_to_what_fits(tmp_path):
    def asked(root, digest):
        with asking(root, "reflector", digest) as (search, reflector):
            long = [dataclasses.replace(r, inputs={"note": r.inputs["note"].ljust(LONG, "w")}) for r in search.dev.rows]
            search = dataclasses.replace(search, dev=ExampleBook(long))
            seed = read_prompts(search.program)
            parents = [
                Candidate(n, "reflection", seed, 0.5, {r.id: float(place % 2 == n) for place, r in enumerate(long)}, (),
                          True, Usage())
                for n in range(2)
            ]  # fmt: skip
            merged(search, "analyse", parents, "")
            return reflector.asked[0]["parents"]

    assert len(asked(tmp_path / "whole", WHOLE)) > 6 * LONG
    assert len(asked(tmp_path / "cut", CUT)) < 4_000
