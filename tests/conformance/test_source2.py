"""The values of the second source, the distillation harness, by their ids.

What is tested elsewhere is not repeated; this is where each id lives:

====== ===================================================================================================
T1     tests/tasks/test_distillation.py (agreement), tests/metrics/test_field_agreement.py (as a metric)
T2     tests/tasks/test_distillation.py: out-of-range agreement, no fields, a stride below two
T3     here (the four rows); tests/tasks/test_distillation.py (53 rows, seven fields, one flipped)
T4     here: ids keep their colons, because nothing is ever parsed out of them
T5     tests/optimizers/test_distillation.py: three verdicts through the whole loop over HTTP
T6     tests/gates/test_gate.py: two rows are no proof here, where the source shipped; a marker is promoted; a no-op
T7     here for two objectives; the front over rows, which keeps generalists and specialists, is DSPy's GEPA's own
T8     tests/core/test_limits.py, tests/optimizers/test_limits.py: sentences, headings and protected sections
T9     tests/optimizers/test_merging.py: which parents are merged; DSPy's own GEPA chooses whom it reflects on
T10    tests/gates/test_canaries.py, tests/stats/test_shift.py
T11    tests/gates/test_hacking.py
T12    tests/gates/test_redteam.py
T13    tests/stats/test_paired.py, tests/stats/test_paired_tests.py
T14    tests/stats/test_intervals.py
T15    tests/stats/test_paired_tests.py, tests/stats/test_paired.py
T16    tests/stats/test_paired.py, tests/gates/test_floors.py
T17    tests/gates/test_neutralisation.py
T18    tests/stats/test_power.py
T19    tests/stats/test_paired.py
T20    here: DSPy's JSON adapter repairs; an answer that lacks a field is an error of its row, and a stray brace is
       mended where the source gave up
R4-R6  tests/tasks/test_distillation.py
====== ===================================================================================================
"""

import json

import dspy
import pytest

from programs.prompts import make_adapter
from stats import dominates
from tasks.distill_task import parse_gold_jsonl, split_gold


def gold(*ids, **tags):
    rows = [
        {
            "id": i,
            "input": {"text": f"text of {i}"},
            "label": {"kind": "a"},
            **({"split": tags[i]} if i in tags else {}),
        }
        for i in ids
    ]
    return parse_gold_jsonl("\n".join(map(json.dumps, rows)))


def test_every_fourth_untagged_row_is_test_and_a_tag_is_kept():
    """S2.T3: s0 by its place, s2 by its tag; the same when it is done again."""
    rows = gold("s0", "s1", "s2", "s3", s2="test")
    for _ in range(2):
        parts = split_gold(rows, 4)
        assert [row.id for row in parts.test] == ["s0", "s2"]
        assert [row.id for row in parts.train] == ["s1", "s3"]


def test_ids_with_colons_stay_whole():
    """S2.T4: where the source wrote ``skill__blueprint-launch`` and kept the id on a tag, the id stays what it is."""
    rows = gold("skill:blueprint-launch", "skill__blueprint-launch")
    assert [row.id for row in rows] == ["skill:blueprint-launch", "skill__blueprint-launch"]


def test_a_point_dominates_when_it_is_better_somewhere_and_worse_nowhere():
    """S2.T7: the first objective is a cost here, so it stands with its sign turned."""
    assert dominates((-0.8, 0.6), (-0.7, 0.6))
    assert not dominates((-0.9, 0.4), (-0.6, 0.8))
    assert not dominates((-0.6, 0.8), (-0.9, 0.4))
    assert not dominates((-0.8, 0.6), (-0.8, 0.6))
    assert not dominates((None, 0.9), (-0.8, 0.6))


@pytest.mark.parametrize(
    ("signature", "text", "value"),
    [
        ("q -> correct: bool", '{"correct": true, "', {"correct": True}),
        ("q -> score: int", '[note] {"score": 3}', {"score": 3}),
        ("q -> a: int", '{"a": 1}}', {"a": 1}),
    ],
)
def test_json_that_is_cut_off_or_wrapped_is_mended(signature, text, value):
    """S2.T20: what can be read is read."""
    assert make_adapter("json").parse(dspy.Signature(signature), text) == value


@pytest.mark.parametrize(
    ("signature", "text"),
    [("q -> correct: bool", '{"correct": '), ("q -> correct: bool, why: str", '{"correct": true, "')],
)
def test_an_answer_that_lacks_a_field_is_an_error_and_never_half_an_answer(signature, text):
    """S2.T20: no value is made up for what was cut off."""
    with pytest.raises(dspy.AdapterParseError):
        make_adapter("json").parse(dspy.Signature(signature), text)
