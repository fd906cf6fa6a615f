"""The values and the weaknesses of the third source, the prompt trainer, by their ids.

What is tested elsewhere is not repeated; this is where each id lives:

====== ===================================================================================================
T1 T2  tests/stats/test_intervals.py: a mean of means, Wilson for zeros and ones, Student's t by a printed table
T3     tests/optimizers/test_metaprompt.py: every epoch draws from all train rows
T4     tests/optimizers/test_metaprompt.py: an equal score is rejected and the next epoch starts from the best; a hair
       more is rejected too, where the source accepted it (here: at which lift it is accepted)
T5     tests/tasks/test_sub_tasks.py: 1, 0.5, 0 and the continuous form
T6     tests/metrics/test_evaluators.py (evaluators beside the task), tests/core/test_limits.py (placeholders, braces);
       a task file has one key for its instruction, so that it cannot name two
T7     tests/journeys/test_sweep.py: comments, blank lines, DROP, an order by holdout score
T8     tests/metrics/test_evaluators.py
W1     as T3
W2     here: every setting of the trainer changes what it does
W3     tests/tasks/test_sub_tasks.py: the candidate's own text reaches the model
W4     tests/tasks/test_sub_tasks.py: windows share no row
W5     tests/contracts/test_optimizers.py: one entry, which every optimiser is called by
W6     tests/contracts/test_optimizers.py runs MIPROv2 to its end; prompts hold no marks of ours, because none are used
W7     tests/journeys/test_sweep.py: model, minibatch, weights and data of each patch are those of its run
W8     here: every interval holds its own mean
W9     tests/optimizers/test_stored_baseline.py: fetched scores are under the metric's own keys
W10    tests/optimizers/test_metaprompt.py: the paired rule; no score at all decides nothing
W11    not built: an advisor for each row did not beat the plain loop (docs/log.md, bench/variants.py)
W12    not built, likewise: a population of instructions
W13    tests/optimizers/test_metaprompt.py: a proposal that does worse on its batch is no parent
====== ===================================================================================================
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import OPTIMIZERS
from optimizers.metaprompt import MetapromptSettings, decided
from optimizers.search import run_search
from stats import key_scores
from tests.optimizers.reflectors import heard
from tests.optimizers.searching import searching

SCORE = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(0, 1))


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from("abc"), st.lists(SCORE, max_size=40), min_size=1))
def test_W8_the_interval_of_every_evaluator_holds_its_own_mean(scores):
    found = key_scores(scores)
    known = [key for key in found.keys.values() if key.mean is not None]
    for key in known:
        assert key.interval.low - 1e-9 <= key.mean <= key.interval.high + 1e-9
    if known:
        assert found.overall == pytest.approx(sum(key.mean for key in known) / len(known))


@pytest.mark.parametrize(("won", "accepted"), [(0, False), (1, False), (3, False), (6, True)])
def test_T4_dev_accepts_what_is_shown_to_be_better_than_the_best_so_far(won, accepted):
    rows = [f"r{n}" for n in range(100)]
    best = {row: float(n < 80) for n, row in enumerate(rows)}  # .80
    new = {row: float(n < 80 + won) for n, row in enumerate(rows)}
    assert decided(best, new, rows, 0.05).promote is accepted


def asked(root, **settings_of):
    """What a trainer asks with these settings."""
    with searching(root, rollouts=150, settings={"train_size": 16} | settings_of) as search:
        reflector = heard(search, lambda number, given: f"{given['current_instruction']} {number}" * (number > 1))
        run_search(OPTIMIZERS.get("metaprompt"), search)
        return reflector.asked, reflector.systems


@pytest.mark.slow
def test_W2_every_setting_changes_what_the_trainer_does(tmp_path):
    usual = asked(tmp_path / "usual")
    changes = {
        "epochs": 1, "train_size": 9, "history": 0, "retries": 0, "levers": ("example",), "metaprompt": "As a sailor.",
    }  # fmt: skip
    for name, value in changes.items():
        assert asked(tmp_path / name, **{name: value}) != usual, name
    beyond = {"alpha", "annotations"}  # alpha: T4; annotations: tests/optimizers/test_metaprompt.py
    assert set(MetapromptSettings.model_fields) <= {*changes, *beyond}
