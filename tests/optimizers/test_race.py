"""The race: texts as edits, a policy that is asked and told, orders that can be had again, and the strategy itself."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.search_race import RACES, drive, race
from bench.search_worlds import world
from core.errors import UsageError
from optimizers import OPTIMIZERS
from optimizers.race.executor import Executor, FixedOrder, RecordedOrder
from optimizers.race.policy import Policy
from optimizers.race.records import Reflect, Score, Tactics
from optimizers.race.texts import changes, merged
from optimizers.search import run_search
from reports.markdown import render_markdown
from reports.optimization import optimization_report
from tests.journeys.test_money import go
from tests.optimizers.searching import searching
from tests.provider import Provider, serving

LINES = st.lists(
    st.sampled_from(["Be brief.", "Name the site.", "Say why.", "Use the words of the text."]), max_size=4, unique=True
)


# -- texts


@given(LINES, LINES)
def test_the_changes_between_two_texts_lead_from_one_to_the_other_and_back(before, after):
    old, new = "\n".join(before), "\n".join(after)
    found = changes("p", old, new)
    text = old
    for change in found:
        text = merged(change.before, text, change.alone)
        assert text is not None
    assert text == new
    for change in found:
        text = change.taken_from(text)
        assert text is not None
    assert text == old


def test_a_rule_is_taken_back_from_under_later_ones_and_made_in_another_text():
    seed = "Classify the note."
    first = changes("p", seed, seed + "\nRain is water.")[0]
    grown = seed + "\nRain is water.\nSand is land."
    assert first.taken_from(grown) == seed + "\nSand is land."
    assert first.made_in(seed + "\nSand is land.") == seed + "\nSand is land.\nRain is water."
    assert first.made_in(grown) is None  # it stands there already


def test_where_two_rewrite_the_same_sentence_nothing_is_merged():
    assert merged("Say it in short.", "Say it in brief.", "Say it at length.") is None


def test_a_rewriting_of_everything_is_one_edit_and_single_lines_are_one_each():
    assert len(changes("p", "A.\nB.", "A.\nB.\nC.\nD.")) == 2
    assert len(changes("p", "\n".join("abcdefghij"), "\n".join("klmnopqrst"))) == 1
    long = "\n".join(f"Old {n}." if n % 2 else f"Same {n}." for n in range(24))
    assert len(changes("p", long, long.replace("Old", "New"))) == 1  # twelve places that hang together


# -- the policy


def asked(seed: int, **tactics):
    """All jobs of a race in a world with noise, in order, and the policy at its end."""
    made = world("rule-real", 3, 0.1)
    policy = Policy(made.seed_texts, made.train, made.dev, replace(Tactics(300, seed), **tactics))
    jobs, said = [], {}

    def done(job):
        jobs.append(job)
        if isinstance(job, Reflect):
            shown = [(row, *said[job.parent, row]) for row in job.shown]
            return made.propose(policy.entrants[job.parent].parts, job.part, shown, job.number)
        said[job.candidate, job.row] = made.score(policy.entrants[job.candidate].parts, job.row)
        return said[job.candidate, job.row][0]

    drive(policy, FixedOrder(), done, lambda job: None)
    return jobs, policy


def test_the_same_seed_asks_the_same_and_never_a_row_twice_or_beyond_the_budget():
    jobs, policy = asked(0)
    assert jobs == asked(0)[0] != asked(1)[0]
    scores = [job for job in jobs if isinstance(job, Score)]
    assert len(scores) == len(set(scores)) == policy.spent <= 300


def test_rows_that_a_lineage_was_shown_are_no_evidence_for_it():
    _, policy = asked(0)
    for number, entrant in enumerate(policy.entrants):
        counted = sum(row not in entrant.leaked for row in entrant.scores)
        assert entrant.counted == counted
        parent = policy.entrants[entrant.parent] if number else entrant
        assert parent.leaked <= entrant.leaked
    assert any(set(e.scores) & e.leaked for e in policy.entrants)


def test_combinations_take_back_what_harms_and_fold_in_what_helps():
    """Each reflection mends its rows and adds a sentence that costs a tenth; nobody but combinations takes any away."""

    def junk(**tactics):
        rows = [f"t{n}" for n in range(40)]
        policy = Policy({"p": "Begin."}, rows, [f"d{n}" for n in range(20)], Tactics(900, **tactics))
        kinds = {row: int(row[1:]) % 5 for row in policy.order}

        def done(job):
            if isinstance(job, Reflect):
                kind = kinds[job.shown[0]]
                return policy.entrants[job.parent].parts["p"] + f"\nKind {kind}.\nJunk {job.number}."
            text = policy.entrants[job.candidate].parts["p"]
            return max(0.0, 0.4 + 0.6 * (f"Kind {kinds[job.row]}." in text) - 0.1 * text.count("Junk"))

        drive(policy, FixedOrder(), done, lambda job: None)
        text = policy.entrants[policy.pick().candidate].parts["p"]
        return text.count("Junk"), sum(f"Kind {k}." in text for k in range(5))

    left, kinds_known = junk()
    assert kinds_known == 5
    assert left <= 1 < junk(combine=2.0)[0]


def test_where_prompts_make_no_difference_the_seed_stays():
    adopted = [race(world("null", s, 0.1), s, 500, ahead=0, lag=0).adopted for s in range(5)]
    assert sum(adopted) <= 1


def test_it_ends_before_its_budget_where_nothing_is_left_to_gain_and_says_so_with_numbers():
    made = world("rule", 1, 0.0)
    policy = Policy(made.seed_texts, made.train, made.dev, Tactics(3000, 1, worth=0.05))

    def done(job):
        if isinstance(job, Reflect):
            return None  # nobody has an idea
        return made.score(policy.entrants[job.candidate].parts, job.row)[0]

    drive(policy, FixedOrder(), done, lambda job: None)
    assert policy.spent < 300
    assert policy.ended


def test_a_failed_row_is_no_score_and_is_not_asked_for_again():
    policy = Policy({"p": "seed"}, ["t1", "t2", "t3"], ["d1", "d2"], Tactics(12))
    asked_for = []

    def done(job):
        if isinstance(job, Reflect):
            return f"seed\nidea {job.number}."
        asked_for.append(job)
        return None if job.row == "d1" else 0.5

    drive(policy, FixedOrder(), done, lambda job: None)
    assert len(asked_for) == len(set(asked_for))
    assert all("d1" not in entrant.scores for entrant in policy.entrants)
    assert all(0.0 not in entrant.scores.values() for entrant in policy.entrants)


def shown_where(effect) -> list[int]:
    """How many rows each reflection of a race is shown where it has this effect on every row."""
    policy = Policy({"p": "Begin."}, [f"t{n}" for n in range(60)], [f"d{n}" for n in range(20)], Tactics(700))
    sizes = []

    def done(job):
        if isinstance(job, Reflect):
            sizes.append(len(job.shown))
            text = policy.entrants[job.parent].parts["p"]
            return f"{text}\nRule {job.number}: {effect(len(job.shown)):+.2f}"
        text = policy.entrants[job.candidate].parts["p"]
        return min(1.0, max(0.0, 0.4 + sum(float(line.split()[-1]) for line in text.splitlines()[1:])))

    drive(policy, FixedOrder(), done, lambda job: None)
    return sizes


def test_more_rows_are_shown_where_that_brings_more_and_four_where_they_do():
    few = shown_where(lambda rows: 0.04)
    many = shown_where(lambda rows: 0.08 if rows >= 8 else -0.08)
    assert few[0] == many[0] == 4
    assert max(few) == 4
    assert max(many) >= 16


def test_of_two_predictors_both_are_edited():
    made = world("pair", 0, 0.0)
    policy = Policy(made.seed_texts, made.train, made.dev, Tactics(500))
    said = {}

    def done(job):
        if isinstance(job, Reflect):
            shown = [(row, *said[job.parent, row]) for row in job.shown]
            return made.propose(policy.entrants[job.parent].parts, job.part, shown, job.number)
        said[job.candidate, job.row] = made.score(policy.entrants[job.candidate].parts, job.row)
        return said[job.candidate, job.row][0]

    drive(policy, FixedOrder(), done, lambda job: None)
    assert {entrant.part for entrant in policy.entrants} >= set(made.seed_texts)


# -- orders


def executed(order, workers: int, delays: random.Random, stop_after: int | None = None):
    """A race on threads whose answers come late by chance; what was told in which order, and the texts found."""
    made = world("rule-real", 3, 0.1)
    policy = Policy(made.seed_texts, made.train, made.dev, Tactics(160, 0, reflectors=2))
    told, lock = [], threading.Lock()

    def late():
        with lock:
            wait = delays.random() * 0.002
        time.sleep(wait)

    def score(job):
        late()
        return made.score(policy.entrants[job.candidate].parts, job.row)[0]

    def reflect(job):
        late()
        texts = policy.entrants[job.parent].parts
        shown = [(row, *made.score(texts, row)) for row in job.shown]
        return made.propose(texts, job.part, shown, job.number)

    def note(job):
        told.append(job)
        if stop_after is not None and len(told) == stop_after:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        Executor(score, reflect, order, workers, note).run(policy)
    return told, [entrant.parts for entrant in policy.entrants]


@pytest.mark.parametrize("order", [FixedOrder(), FixedOrder(ahead=12, lag=8)], ids=["waits", "runs ahead"])
def test_in_a_fixed_order_neither_latency_nor_workers_change_what_is_found(order):
    alone = executed(order, 1, random.Random(1))
    assert executed(order, 16, random.Random(2)) == alone


def test_a_recorded_order_is_repeated_as_it_was_and_goes_on_where_it_was_cut(tmp_path: Path):
    path = tmp_path / "order"
    begun, _ = executed(RecordedOrder(8, path), 8, random.Random(3), stop_after=60)
    with path.open("a", encoding="ascii") as file:
        file.write("7")  # a line that a kill has cut
    told, texts = executed(RecordedOrder(8, path), 8, random.Random(4))
    assert told[:60] == begun
    assert executed(RecordedOrder(8, path), 3, random.Random(5)) == (told, texts)


# -- the strategy


def test_what_it_claims_is_its_belief_and_only_its_pick_is_chosen(tmp_path):
    with searching(tmp_path, rollouts=400) as search:
        run_search(OPTIMIZERS.get("race"), search)
        journal = search.journal
    found = [c for c in journal.candidates[1:] if c.belief is not None]
    assert found
    assert [c.index for c in found if c.belief.picked] in ([], [journal.best().index])
    best = journal.best()
    assert best.claim == pytest.approx(journal.candidates[0].dev_score + best.belief.lift)
    assert best.belief.low < best.belief.lift < best.belief.high
    assert any(note.startswith("race: ") and "ended: " in note for note in journal.notes)


def test_demos_are_edits_as_well_and_can_be_left_out(tmp_path):
    def demos(root, **settings):
        with searching(root, rollouts=500, settings=settings) as search:
            run_search(OPTIMIZERS.get("race"), search)
            return sum(bool(p.demos) for c in search.journal.candidates for p in c.prompts.prompts)

    assert demos(tmp_path / "with") > 0
    assert demos(tmp_path / "without", demos=False) == 0


def test_an_order_can_only_be_recorded_where_a_run_keeps_it(tmp_path):
    unkept = searching(tmp_path / "none", rollouts=60, settings={"order": "recorded"})
    with unkept as search, pytest.raises(UsageError, match="recorded"):
        run_search(OPTIMIZERS.get("race"), search)
    with searching(tmp_path / "kept", rollouts=200, threads=4, settings={"order": "recorded"}) as search:
        search = replace(search, folder=tmp_path / "order")
        run_search(OPTIMIZERS.get("race"), search)
        first = [c.prompts.hash for c in search.journal.candidates]
        again = replace(search, journal=replace(search.journal, candidates=search.journal.candidates[:1], _seen={}))
        run_search(OPTIMIZERS.get("race"), again)
    assert [c.prompts.hash for c in again.journal.candidates] == first


def test_in_a_world_without_noise_it_reaches_the_target_of_the_bench():
    made = world("rule", 0, 0.0)
    assert RACES["race"](made, 0, 800).final >= made.target


def optimised(root, name):
    """A whole run of the notes task against a provider, with this optimiser."""
    with serving(Provider()) as provider:
        return go(root, provider.url, "optimizer.budget=300", optimizer=name)


def test_the_report_tells_what_is_believed_and_of_other_searches_nothing(tmp_path):
    result = optimised(tmp_path / "race", "race")
    text = render_markdown(optimization_report(result))
    assert "## What the search believes" in text
    believed = next(c for c in result.candidates if c.belief is not None)
    chosen = " (chosen)" if believed.belief.picked else ""
    assert f"{believed.index}{chosen} | {believed.found} | {believed.belief.lift:+.3f} |" in text
    other = optimised(tmp_path / "other", "bootstrap")
    assert "What the search believes" not in render_markdown(optimization_report(other))
