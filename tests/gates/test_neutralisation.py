"""A prompt with every character blanked must not work as well."""

import pytest

from core.candidate import ProgramPrompts, Prompt
from core.verdict import CheckStatus
from gates.neutralisation import Neutralisation, blank, kept_share, neutralised
from tests.gates.inputs import CHALLENGER, evaluation, gate_input


def test_layout_and_length_stay():
    assert blank("line one\n  indented two\n") == "#### ###\n  ######## ###\n"


def test_demos_are_blanked_with_the_instruction_and_keep_their_shape():
    prompts = ProgramPrompts((Prompt("p", "Be brief.", ({"note": "a river", "tags": ["wet", 7]},)),))
    assert neutralised(prompts).prompts[0] == Prompt("p", "## ######", ({"note": "# #####", "tags": ["###", "#"]},))


@pytest.mark.parametrize(
    ("candidate", "blanked", "share", "status"),
    [
        (0.8, 0.4, 0.0, CheckStatus.PASS),
        (0.8, 0.7, 0.75, CheckStatus.FAIL),
        (0.8, 0.6, 0.5, CheckStatus.FAIL),
        (0.4, 0.4, None, CheckStatus.FAIL),
    ],
)
def test_half_of_the_lift_is_too_much_to_keep(candidate, blanked, share, status):
    kept = kept_share(0.4, candidate, blanked)
    assert kept == (None if share is None else pytest.approx(share))
    found = Neutralisation().check(
        gate_input(
            champion=evaluation([0.4] * 30),
            challenger=evaluation([candidate] * 30, CHALLENGER),
            rescore=lambda prompts: evaluation([blanked] * 30, prompts),
        )
    )[0]
    assert found.status is status


def test_it_is_the_blanked_challenger_that_is_scored():
    seen = []
    Neutralisation().check(gate_input(rescore=lambda p: seen.append(p) or evaluation([0.4] * 60, p)))
    assert seen == [neutralised(CHALLENGER)]


def test_too_few_scored_rows_or_no_way_to_score_leave_it_open():
    patchy = gate_input(rescore=lambda p: evaluation([None] * 40 + [0.4] * 20, p))
    assert Neutralisation().check(patchy)[0].status is CheckStatus.NOT_EVALUATED
    assert Neutralisation().check(gate_input(rescore=None))[0].status is CheckStatus.NOT_EVALUATED
