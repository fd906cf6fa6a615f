"""The card of a judge as a page: what was measured decides what it says, and nothing more is said."""

from dataclasses import replace

import pytest

from core.cells import JudgeCard, ScoreEstimate
from metrics.calibration import JudgedPair, examine
from reports import JudgeUse, judge_report, render_html, render_markdown
from reports.blocks import Banner, CalibrationChart, Commands
from reports.calibration import calibration_lines

STEADY = JudgeCard(
    "rubric, a-model", 40, noise=ScoreEstimate(0.02, 0.01, 0.03, 80), resolvable=0.021,
    flip_rate=ScoreEstimate(0.08, 0.03, 0.18, 40), order_bias=ScoreEstimate(0.012, -0.004, 0.028, 40),
)  # fmt: skip
USE = JudgeUse(0.05, 0.05)


def rated(value, low, high):
    return replace(STEADY, spearman=ScoreEstimate(value, low, high, 40), points=((0.2, 0.3), (0.9, 0.7)))


def banner(card, use=USE):
    return next(block for block in judge_report(card, "t", use).blocks if isinstance(block, Banner))


def test_without_ratings_a_steady_judge_is_not_called_good():
    page = judge_report(STEADY, "t", USE)
    assert banner(STEADY) == Banner(
        "Agreement not measured",
        "Nobody has rated these outputs. Whether rubric, a-model is right is not known. Its noise lets the planned "
        "rows show lifts from 0.021 on. Next: rate outputs and examine it on them.",
        "open",
    )
    assert "good enough" not in render_markdown(page)
    assert next(b for b in page.blocks if isinstance(b, Commands)).lines[0][0] == "python cli.py annotate t"


@pytest.mark.parametrize(
    ("estimate", "title", "tone"),
    [
        ((0.7, 0.5, 0.8), "It agrees with the gold scores better than chance", "good"),
        ((0.2, -0.1, 0.5), "Not shown to agree with the gold scores", "bad"),
        ((-0.4, -0.6, -0.1), "It judges the wrong way round", "bad"),
    ],
)
def test_the_interval_of_the_agreement_decides_what_is_said(estimate, title, tone):
    found = banner(rated(*estimate))
    assert (found.title, found.tone) == (title, tone)
    assert f"Rank agreement {estimate[0]:.3f}" in found.sentence


def test_a_judge_that_is_too_noisy_is_refused_whatever_its_agreement():
    use = replace(USE, refusal="judge scatters by 0.300; use more rows")
    assert banner(rated(0.9, 0.8, 0.95), use).title == "Do not use it yet"


def test_the_scatter_has_a_dot_for_every_rated_output_and_order_is_told_in_numbers():
    page = judge_report(rated(0.7, 0.5, 0.8), "t", USE)
    chart = next(block for block in page.blocks if isinstance(block, CalibrationChart))
    html = render_html(page)
    assert html.count("<circle") == 2 * len(chart.points)  # once for each width
    assert "Flips when the order is swapped: 8 % of preferences (3 % to 18 %); 0 is ideal." in html
    assert "Position bias: +0.012 for the answer shown second (-0.004 to 0.028)." in html
    assert calibration_lines(chart, 80)[1] == f"  gold 0.2 to 0.4  {'█' * 9} 0.300 (1)"


def test_an_examination_keeps_the_scores_that_it_compared():
    pairs = [JudgedPair(f"r{i}", "original", "reference", f"candidate {i}") for i in range(12)]
    gold = [i / 12 for i in range(12)]

    def judge(pair):
        return None if pair.candidate == "candidate 3" else (0.5 if pair.candidate == "candidate 4" else 0.25)

    card = examine(judge, pairs, gold, name="j", planned_rows=30)
    assert len(card.points) == 11
    assert (gold[4], 0.5) in card.points
    assert examine(judge, pairs, None, name="j", planned_rows=30).points == ()
