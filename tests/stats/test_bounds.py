"""Unknown scores, completed as unkindly to the candidate as can be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats import least_kind, paired_decision
from tests.stats.test_false_promotion import allowed, seeded

REPEATS = 600
scores = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.booleans()), min_size=1, max_size=30)


def test_the_candidate_gets_the_least_and_the_baseline_the_most():
    assert least_kind([0.4, None, 0.5, None], [None, 0.8, 0.6, None]) == ([0.4, 1.0, 0.5, 1.0], [0.0, 0.8, 0.6, 0.0])
    assert least_kind([None], [3.0], lowest=0.0, highest=10.0) == ([10.0], [3.0])


def test_what_is_out_of_range_or_unpaired_is_refused():
    with pytest.raises(ValueError, match="need as many"):
        least_kind([0.1], [])
    with pytest.raises(ValueError, match=r"received 1\.5"):
        least_kind([0.1], [1.5])
    with pytest.raises(ValueError, match="lowest below highest"):
        least_kind([0.1], [0.1], lowest=1.0)


@settings(deadline=None)
@given(scores)
def test_no_filling_is_worse_for_the_candidate(rows):
    before, after = least_kind([None if a else x for x, _, a, _ in rows], [None if b else y for _, y, _, b in rows])
    assert all(high - low <= y - x for (x, y, _, _), low, high in zip(rows, before, after, strict=True))


@pytest.mark.parametrize("kind", ["the challenger's worst", "the champion's best", "both at random"])
@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("binary", [True, False])
def test_a_prompt_that_is_no_better_is_not_promoted_by_what_it_makes_unreadable(kind, n, binary):
    """Equal prompts; unreadable is exactly what would flatter the challenger when such rows were left out."""
    random = seeded("unreadable", kind, n, binary)
    promoted, naive = 0, 0
    for _ in range(REPEATS):
        before, after = random.random((2, n))
        if binary:
            before, after = (before < 0.6).astype(float), (after < 0.6).astype(float)
        hidden = random.random(n) < 0.5
        lost = {
            "the challenger's worst": (np.zeros(n, bool), (after < 0.3) & hidden),
            "the champion's best": ((before > 0.7) & hidden, np.zeros(n, bool)),
            "both at random": (random.random(n) < 0.1, random.random(n) < 0.1),
        }[kind]
        known = [[None if gone else float(s) for s, gone in zip(side, mask, strict=True)]
                 for side, mask in zip((before, after), lost, strict=True)]  # fmt: skip
        low, high = least_kind(*known)
        promoted += paired_decision([b - a for a, b in zip(low, high, strict=True)]).promote
        alone = [b - a for a, b in zip(*known, strict=True) if a is not None and b is not None]
        naive += paired_decision(alone).promote
    assert promoted / REPEATS <= allowed(0.05, REPEATS)
    if n == 100 and kind != "both at random":
        assert naive / REPEATS > 0.2, "leaving such rows out would promote noise"
