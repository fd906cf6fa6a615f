"""What a task forbids its proposals: no optimiser tries what breaks it, and every refusal is counted and said."""

import contextlib
import dataclasses
import difflib
import itertools
import json
import random

import dspy
import pytest

from core.candidate import ProgramPrompts, Prompt
from core.errors import ConfigError
from core.limits import Limits, LimitsSection, RefusedError
from core.workspace import Workspace
from optimizers import OPTIMIZERS
from optimizers.base import Journal
from optimizers.gepa import LimitedProposer, build_gepa
from optimizers.metaprompt import Attempt, propose
from optimizers.mipro import build_mipro
from optimizers.race.proposer import Proposer, Tried
from optimizers.search import run_search
from optimizers.settings import chosen_optimizers
from optimizers.simba import build_simba, limited
from programs.prompts import apply_prompts, read_prompts
from tasks.config import task_schema
from tests.journeys.commands import run
from tests.notes import notes
from tests.optimizers.reflectors import heard
from tests.optimizers.searching import searching
from tests.runs import task_of

FORM = "Name the kind and nothing else."
SEED = f"""Read the note. Think about what it tells. Look at every word. Weigh them. Decide.

## Hints
Some words are about water. Others are about land. Most are about neither.

## Form
{FORM}
Do not explain."""
PROPOSALS = 200
LIMITS = LimitsSection(protected=("Form",), sentences=4)


def wild(rng, text):
    """A proposal of somebody who does not listen: any number of lines changed, moved, dropped or added."""
    lines = text.splitlines()
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        place = rng.randrange(len(lines)) if lines else 0
        match rng.randrange(4):
            case 0:
                lines.insert(place, f"Rule {rng.randrange(99)}. Another one.")
            case 1 if lines:
                lines[place] = f"{lines[place]} Really {rng.randrange(99)}."
            case 2 if lines:
                del lines[place]
            case _:
                lines.append(f"Remember {rng.randrange(99)}.")
    return "\n".join(lines)


def keeps(parent, text):
    """The limits in other words than the code's: the protected end of the text, and lines of a diff by sentence."""
    form = text.partition("## Form\n")[2].partition("\n#")[0].strip()
    old, new = ([s.strip() for line in t.splitlines() for s in line.split(". ")] for t in (parent, text))
    changed = [
        line[0] for line in difflib.ndiff(sorted(s.rstrip(".") for s in old), sorted(s.rstrip(".") for s in new))
    ]
    return form == f"{FORM}\nDo not explain." and max(changed.count("+"), changed.count("-")) <= 4


def by_gepa(search, wilds):
    asked = heard(search, lambda number, given: next(wilds)).asked
    for number in itertools.takewhile(lambda _: len(asked) < PROPOSALS, itertools.count()):
        rows = {"analyse": [{"Inputs": {"number": number}}]}
        with dspy.context(lm=search.reflector):
            yield from LimitedProposer(search)({"analyse": SEED}, rows, ["analyse"]).values()


def by_mipro(search, wilds):
    yield from build_mipro(search)._admitted("analyse", SEED, [next(wilds) for _ in range(PROPOSALS)])


def by_simba(search, wilds):
    def strategy(bucket, system, **rest):
        predictor = system.predictors()[0]
        predictor.signature = predictor.signature.with_instructions(next(wilds))

    assert all(made.__wrapped__ for made in build_simba(search).strategies)
    for _ in range(PROPOSALS):
        system = search.program.deepcopy()
        with contextlib.suppress(RefusedError):
            limited(search, strategy)([], system)
            yield system.predictors()[0].signature.instructions


def by_metaprompt(search, wilds):
    asked = heard(search, lambda number, given: next(wilds)).asked
    for number in itertools.takewhile(lambda _: len(asked) < PROPOSALS, itertools.count()):
        current = Attempt(read_prompts(search.program), f"idea {number}")
        proposed = propose(search, "analyse", current, (), (), retries=1)
        if proposed is not None:
            yield proposed.new_instruction


def by_race(search, wilds):
    asked = heard(search, lambda number, given: next(wilds)).asked
    proposer = Proposer(search)
    for number in itertools.takewhile(lambda _: len(asked) < PROPOSALS, itertools.count()):
        written = proposer.rewritten("analyse", SEED, (), (Tried("", f"idea {number}", 0.0),))
        if written is not None:
            yield written


SEAMS = {"gepa": by_gepa, "mipro": by_mipro, "simba": by_simba, "metaprompt": by_metaprompt, "race": by_race}


@contextlib.contextmanager
def strict(root, **size):
    """A search whose seed has a protected section."""
    with searching(root, **size) as search:
        prompts = ProgramPrompts((Prompt("analyse", SEED),))
        program = apply_prompts(search.program, prompts)
        journal = Journal(search.journal.meter, search.journal.dev_ids, lambda candidate: None)
        journal.record("seed", prompts, search.journal.candidates[0].dev_scores)
        limits = Limits(LIMITS, {"analyse": SEED})
        yield dataclasses.replace(search, program=program, limits=limits, journal=journal)


@pytest.mark.parametrize("name", SEAMS)
def test_of_two_hundred_wild_proposals_none_that_breaks_a_limit_is_tried(tmp_path, name):
    rng, made = random.Random(7), []

    def wilds():
        while True:
            made.append(wild(rng, SEED))
            yield made[-1]

    with strict(tmp_path) as search:
        tried = list(SEAMS[name](search, wilds()))
        refused = search.journal.refused.total()
    assert PROPOSALS <= len(made) <= PROPOSALS + 1
    assert tried
    assert all(keeps(SEED, text) for text in tried)
    broken = {text for text in made if not keeps(SEED, text)}
    assert 40 < len(broken) <= refused <= len(set(made))
    assert {text for text in made if keeps(SEED, text)} >= set(tried)


def test_an_optimiser_that_is_not_here_changes_no_instruction():
    assert {o.name for o in OPTIMIZERS} - set(SEAMS) == {"bootstrap"}


def test_gepa_asks_its_own_proposer(tmp_path):
    with strict(tmp_path) as search:
        assert isinstance(build_gepa(search).custom_instruction_proposer, LimitedProposer)


@pytest.mark.parametrize("name", ["gepa", "metaprompt"])
def test_the_embedded_reflector_keeps_to_what_it_is_told_and_still_finds_better_prompts(tmp_path, name):
    with strict(tmp_path, rollouts=300) as search:
        run_search(OPTIMIZERS.get(name), search)
        found = [c.prompts.prompts[0].instruction for c in search.journal.candidates[1:]]
        assert len(found) > 1
        assert all(text.partition("## Form\n")[2].startswith(f"{FORM}\nDo not explain.") for text in found[1:])
        assert search.journal.best().index


def test_a_refusal_is_in_the_result_the_progress_and_the_warnings(tmp_path):
    notes(tmp_path, "http://127.0.0.1:9/v1")
    """MIPROv2's proposer cannot be told: the embedded one writes its rules, whatever room there is."""
    offline = ("models.student=offline/small", "models.reflector=offline/large", "optimizer.limits.tokens=20")
    words = [part for each in offline for part in ("--set", each)]
    code, out, err = run(
        "optimize", "notes", "--optimizer", "mipro", "--budget", "90", *words, "--json", workspace=tmp_path
    )
    body = json.loads(out)
    assert code == 0
    assert list(body["refused"]) == ["more than 20 tokens"]
    count = body["refused"]["more than 20 tokens"]
    assert count >= 1
    assert f"{count} proposals refused before a row was run: more than 20 tokens" in body["warnings"]
    assert "a proposal was refused before a row was run: more than 20 tokens" in err


def test_a_heading_that_the_seed_does_not_have_is_a_mistake_in_the_task_file(tmp_path):
    notes(tmp_path, "http://127.0.0.1:9/v1")
    task = task_of(Workspace(tmp_path), "notes", "optimizer.limits.protected=[Tone]")
    with pytest.raises(ConfigError, match=r"optimizer\.limits: no instruction has the heading 'Tone'"):
        chosen_optimizers(task)


def test_the_schema_for_editors_knows_the_limits():
    assert "protected" in json.dumps(task_schema())
