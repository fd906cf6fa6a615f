"""The banner: one sentence with the deciding reason, and the one thing to do next."""

from dataclasses import replace

import pytest

from core.verdict import Check, CheckStatus, Decision, Verdict
from reports import optimization_report
from reports.blocks import Banner, Commands, Paragraph
from reports.deciding import banner_sentence, recommended, rows_needed
from tests.reports.test_render import PARAMS, outcome


def held(name, message):
    """An outcome whose gate held it for one check, though its lift is proven."""
    o = outcome(Decision.HOLD, "plain")
    checks = (Check("lift", CheckStatus.PASS, "fine"), Check(name, CheckStatus.FAIL, message))
    return replace(o, verdict=Verdict(Decision.HOLD, (f"[{name}] {message}",), checks, o.verdict.evidence))


def test_a_hold_with_a_proven_lift_says_what_decided_it_and_not_the_lift():
    numbers = "0.280 against 0.238 for the same answer to every row"
    message = f"not proven better than a constant: {numbers} (p = 0.2); it may have learned frequencies only"
    why = "it is not shown to beat one fixed answer"
    said = banner_sentence(held("beats a constant", message))
    assert said == f"Keep the current prompt: {why} ({numbers}). Next: search longer."


@pytest.mark.parametrize(
    ("check", "part"),
    [("guard team", "a guarded field"), ("copying", "copies rows"), ("redteam", "hostile text"), ("mine", "odd thing")],
)
def test_every_failing_check_has_its_reason(check, part):
    assert part in banner_sentence(held(check, "odd thing"))


def test_an_inconclusive_run_asks_for_rows_and_not_for_another_search():
    o = outcome(Decision.INCONCLUSIVE, "plain")
    evidence = replace(o.verdict.evidence, delta=0.05, low=-0.04, high=0.14, alpha=0.05)
    o = replace(o, verdict=Verdict(Decision.INCONCLUSIVE, ("x",), (), evidence))
    needed = rows_needed(evidence)
    assert needed > 40
    assert banner_sentence(o) == (
        "Keep the current prompt for now: +0.050 (-0.040 to +0.140) on 40 unseen rows may be chance. "
        f"Next: add rows; about {needed:,} in the holdout would settle it (it has 40)."
    )
    [commands] = [block for block in optimization_report(o).blocks if isinstance(block, Commands)]
    assert commands.lines[0][0] == "python cli.py validate t"
    assert not [command for command, _ in commands.lines if "optimize" in command]


def test_a_holdout_too_small_to_show_anything_asks_for_rows_whatever_else_failed():
    o = held("beats a constant", "not proven better than a constant: 0.373 against 0.405")
    few = Check(
        "lift", CheckStatus.NOT_EVALUATED, "12 holdout rows are too few to prove anything; at least 20 are needed"
    )
    checks = (few, *o.verdict.checks[1:])
    o = replace(o, verdict=replace(o.verdict, checks=checks))
    assert recommended(o) == ("python cli.py validate t", f"add rows; {few.message}")
    assert "search longer" not in banner_sentence(o)


@pytest.mark.parametrize("decision", list(Decision))
def test_a_run_that_had_to_beat_the_champion_never_speaks_of_the_seed(decision):
    o = replace(outcome(decision, "plain"), params={**PARAMS, "baseline": "champion"})
    blocks = optimization_report(o).blocks
    words = [block.sentence for block in blocks if isinstance(block, Banner)]
    words += [block.text for block in blocks if isinstance(block, Paragraph)]
    words += [f"{c} {why}" for block in blocks if isinstance(block, Commands) for c, why in block.lines]
    assert "the champion" in " ".join(words)
    assert "the seed" not in " ".join(words)
    assert "diff t champion" in " ".join(words)
