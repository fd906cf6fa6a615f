"""Merging prompts that are best on different rows, and hints to whoever proposes: what they change."""

import dataclasses
import random

import pytest

from core.candidate import Candidate, ProgramPrompts, Prompt
from core.evaluation import Usage
from offline.reflector import merge
from optimizers import OPTIMIZERS
from optimizers.merging import complementary
from optimizers.search import run_search
from programs.levers import LEVERS, missing_levers
from tests.optimizers.reflectors import heard
from tests.optimizers.searching import searching


def candidate(index, *scores, complete=True):
    rows = {f"r{place}": score for place, score in enumerate(scores) if score is not None}
    shuffled = dict(random.Random(index).sample(sorted(rows.items()), len(rows)))
    prompts = ProgramPrompts((Prompt("p", f"text {index}"),))
    mean = sum(rows.values()) / len(rows)
    return Candidate(index, "reflection", prompts, mean, shuffled, (), complete, Usage())


def test_S2_R14_parents_are_undominated_each_best_somewhere_and_the_best_mean_comes_first():
    pool = [
        candidate(0, 1, 0, 0),  # dominated by 1
        candidate(1, 1, 1, 0),
        candidate(2, 0, 0, 1),
        candidate(3, 0.9, 0.9, 0.9),  # dominated by nobody, best nowhere
        candidate(4, 1, 1, None, complete=False),
        candidate(5, 0, 0, 1),  # the same as 2 on every row
    ]
    assert [c.index for c in complementary(pool)] == [1, 2]
    assert [c.index for c in complementary(pool[::-1])] == [1, 2]
    assert complementary([]) == ()
    wide = [candidate(n, *(float(n == place) for place in range(6))) for n in range(6)]
    assert [c.index for c in complementary(wide)] == [0, 1, 2, 3]  # four at most, the earliest on a tie


def test_the_embedded_writer_joins_the_rules_of_all_parents():
    one = 'Sort.\n\n- kind: "water" in 6 of 10 texts; signs: river 5/5'
    other = (
        'Sort.\n\n- kind: "land" in 3 of 8 texts; signs: lamp 3/4\n- kind: "water" in 2 of 8 texts; signs: cloud 2/2'
    )
    text = merge(one, [one, other])
    assert '- Call kind "water" when it says river (5/5). Right in 6 of 10 texts.' in text
    assert '- Call kind "land" when it says lamp (3/4). Right in 3 of 10 texts.' in text
    assert "cloud" not in text  # of one rule, whatever has counted most


def found(root, name, **settings):
    """What a search tries, and what its reflector was asked."""
    with searching(root, rollouts=180) as search:
        search = dataclasses.replace(search, shape=dataclasses.replace(search.shape, settings=settings))
        reflector = heard(search)
        run_search(OPTIMIZERS.get(name), search)
        return [c.prompts.prompts[0].instruction for c in search.journal.candidates], reflector.asked


def test_gepa_merges_each_set_of_complementary_parents_once(tmp_path):
    tried, asked = found(tmp_path, "gepa", merge=True)
    merges = [given for given in asked if "parents" in given]
    assert merges
    assert len({given["parents"] for given in merges}) == len(merges)
    assert all(given["parents"].count('"instruction"') >= 2 for given in merges)
    assert '"best at"' in merges[0]["parents"]
    again, _ = found(tmp_path / "again", "gepa", merge=True)
    assert again == tried


@pytest.mark.parametrize("name", ["gepa", "metaprompt"])
def test_a_lever_is_told_to_the_proposer_and_changes_what_is_tried(tmp_path, name):
    plain, _ = found(tmp_path / "plain", name)
    tried, asked = found(tmp_path / "levers", name, levers=["example", "schema"])
    told = [given.get("constraints", "") + given.get("additional_instructions", "") for given in asked]
    assert all(f"Consider: {LEVERS.get('example').summary}" in text for text in told)
    assert tried[1:] != plain[1:]
    assert any("Worked examples:\n" in text for text in tried)
    assert not any("Worked examples:\n" in text for text in plain)


def test_what_an_instruction_lacks_is_told_by_its_words():
    bare = "Usually sort the notes."
    assert [lever.name for lever in missing_levers(bare)] == ["schema", "rule", "example", "hedging", "guardrail"]
    full = (
        "Answer in JSON. When a river is named, urgent must be true. Worked examples:\nInput: {}\nAnswer: {}"
    )  # fmt: skip
    assert missing_levers(full) == ()
