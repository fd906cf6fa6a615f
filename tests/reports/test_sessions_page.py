"""The page of sessions: what was left out, what reaches a goal, and nothing from a log that could do harm."""

from dataclasses import replace

from reports import render_html, render_markdown, sessions_report
from reports.blocks import Bullets, IntervalChart, ScatterChart, Table
from sessions.record import Outcome
from sessions.study import study, study_metrics
from sessions.tally import tally
from tests.reports.test_render import NASTY
from tests.sessions.recorded import planted, seeded


def page(price="", worse="poor"):
    dear = [replace(s, cost_usd=0.10, input_tokens=900) for s in planted(seeded(1), 60, 3, 0.97, model="dear")]
    poor = [replace(s, cost_usd=0.02, input_tokens=400) for s in planted(seeded(2), 60, 3, 0.5, model=worse)]
    down = replace(poor[0], id="down", success=None, outcome=Outcome.INFRASTRUCTURE)
    return sessions_report(study(tally([*dear, *poor, down], study_metrics(), ["model"]), ["model"], price=price))


def test_it_says_what_was_left_out_what_differs_and_what_reaches_a_goal():
    report = page()
    rates = next(block for block in report.blocks if isinstance(block, Table))
    goals = next(block for block in report.blocks if isinstance(block, Bullets))
    changes = next(block for block in report.blocks if isinstance(block, IntervalChart))

    assert [row[0] for row in rates.rows] == ["dear", "poor"]
    assert rates.rows[1][4:] == ("180", "60", "1", "0")
    assert goals.items[0].startswith(
        "80 % success cheapest: dear, $0.1000, 100 % of the price of the best (dear); surely"
    )
    assert changes.rows[0][0] == "dear"
    assert "paired, sign flips" in render_markdown(report)


def test_prices_are_shown_in_their_unit():
    html = render_html(page("tokens"))

    assert next(block for block in page("tokens").blocks if isinstance(block, ScatterChart)).unit == "tokens"
    assert "tokens a session" in html
    assert "$900" not in html


def test_names_from_a_log_stay_text():
    html = render_html(page(worse=NASTY))

    assert "<img src=x" not in html
    assert "alert(1)</script>" not in html
