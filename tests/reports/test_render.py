"""Reports: the numbers that matter, in every form, and nothing from outside that could do harm."""

import io
import re
import tomllib
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import get_args

import pytest
from rich.console import Console

from core.candidate import Candidate, ProgramPrompts, Prompt
from core.evaluation import Evaluation, RowResult, RowStatus, Usage
from core.optimization import Optimization, Plan, Range, RoleForecast, SplitInfo
from core.plain import from_json, to_json
from core.verdict import Check, CheckStatus, Decision, Evidence, Verdict
from core.workspace import HOME
from reports import optimization_report, print_report, render_html, render_markdown
from reports.blocks import (
    Banner,
    Born,
    Bullets,
    CalibrationChart,
    Commands,
    Confusion,
    CurveChart,
    Diff,
    Example,
    Examples,
    Facts,
    Figure,
    FullText,
    GridChart,
    Heading,
    HeatCell,
    HeatMap,
    IntervalChart,
    Lineage,
    MoveChart,
    Paragraph,
    Produced,
    Report,
    RowLine,
    RowTable,
    ScatterChart,
    ScatterPoint,
    Table,
    WaterfallChart,
    Words,
)  # fmt: skip
from reports.numbers import signed
from reports.progress import plan_lines
from reports.script import SCRIPT

NASTY = '<script>alert(1)</script>"><img src=x onerror=alert(1)> | ]]> \x1b[31mred\x1b[0m \u202eflip ``` {{x}}'


def evaluation(split, scores, text="hello"):
    rows = tuple(
        RowResult(
            f"r{i}", RowStatus.OK, s, {"team": s}, inputs={"text": text}, gold={"team": "a"},
            prediction={"team": "a" if s else NASTY},
        )
        for i, s in enumerate(scores)
    )  # fmt: skip
    return Evaluation(split, "h", rows)


def plan(cost):
    student = RoleForecast(Range(90, 80, 100), Range(900, 800, 1000), Range(90, 80, 100), None)
    money = None if cost is None else Range(cost, 0.8 * cost, 1.2 * cost)
    return Plan(
        5, {"student": student}, Range(90, 80, 100), Range(900, 800, 1000), Range(90, 80, 100), money,
        Range(0.5, 0.4, 0.6), 0.1, 6, nominal=True,
    )  # fmt: skip


def outcome(decision=Decision.PROMOTE, text=NASTY, opened=True, cost=0.25):
    seed, tuned = ProgramPrompts((Prompt("p", "Seed."),)), ProgramPrompts((Prompt("p", f"Tuned. {text}"),))
    evidence = Evidence(
        40,
        0.4,
        0.6,
        0.2,
        0.1,
        0.3,
        0.001,
        0.05,
        0.0,
        0.09,
        "t",
        20,
        5,
        15,
        1,
        0.3,
        fields={"team": (0.4, 0.6, 0.1, 0.3)},
    )
    verdict = Verdict(
        decision, (f"because {text}",), (Check("lift", CheckStatus.PASS, "fine"),), evidence if opened else None
    )
    usage = Usage(10, 1000, 100, cost, 1.0, 0, 3)
    return Optimization(
        "t-1", "t", "", "gepa", 0, "2026-01-01", 12.5, PARAMS, SplitInfo(10, 10, 40, "f", "h"),
        plan(cost), seed, tuned, 1,
        (Candidate(0, "seed", seed, 0.4), Candidate(1, "reflection", tuned, 0.6, parents=(0,))),
        evaluation("dev", [0.0, 1.0]), evaluation("holdout", [0.0, 1.0] * 20, text) if opened else None,
        evaluation("holdout", [1.0] * 40, text) if opened else None, verdict, {"student": usage}, "s",
        {"team": ("a", "b")}, True, ("a warning",),
    )  # fmt: skip


PARAMS = {"student": "offline/small", "optimizer": "gepa", "budget": "light", "seed": "0"}


class Audit(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "img", "iframe", "object", "link"):
            self.found.append(tag)
        self.found += [f"{name}={value}" for name, value in attrs if name.startswith("on") or name == "src"]


@pytest.mark.parametrize("decision", list(Decision))
@pytest.mark.parametrize("opened", [True, False])
def test_html_holds_the_verdict_and_nothing_that_runs(decision, opened):
    page = render_html(optimization_report(outcome(decision, opened=opened), links={"x": "javascript:alert(1)"}))
    audit = Audit()
    audit.feed(page)
    assert audit.found == ["script"]
    assert page.count(f"<script>{SCRIPT}</script>") == 1
    assert decision.value in page
    assert "javascript:" not in page
    assert "default-src 'none'" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "not from a language model" in page


def test_html_shows_the_numbers():
    page = render_html(optimization_report(outcome(text="plain")))
    for number in ("0.400", "0.600", "+0.200", "+0.100 to +0.300", "20 / 5 / 15", "$0.2500"):
        assert number in page


def test_html_stays_below_two_megabytes():
    assert len(render_html(optimization_report(outcome(text="word " * 400_000))).encode()) <= 2_000_000


def test_an_unknown_cost_is_not_zero():
    page = render_html(optimization_report(outcome(cost=None)))
    assert "unknown" in page
    assert "$0.0000" not in page


def test_markdown_escapes_tables_and_fences():
    text = render_markdown(optimization_report(outcome()))
    assert "<script>" not in text.replace("\\<script\\>", "").split("````diff")[0]
    assert "````diff" in text
    assert "\x1b" not in text
    for line in text.splitlines():
        if line.startswith("| team |"):
            assert line.replace("\\|", "").count("|") in (4, 5, 6)


def test_the_terminal_reads_at_80_columns_without_colour_in_a_pipe():
    out = io.StringIO()
    print_report(optimization_report(outcome()), Console(file=out, width=80))
    text = out.getvalue()
    assert "PROMOTE" in text
    assert "python cli.py export t" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_an_outcome_goes_to_json_and_back_without_loss():
    assert from_json(Optimization, to_json(outcome())) == outcome()


STEERING = "\x1b]52;c;aGk=\x07 [bold red]loud[/bold red] [link=file:///etc]x[/link] \u202eflip :warning:"
SHOWN = "\ufffd]52;c;aGk=\ufffd [bold red]loud[/bold red] [link=file:///etc]x[/link] \ufffdflip :warning:"


def row_line(text):
    return RowLine(
        text, "gain", 0.1, text, text, Produced(0.1, ((text, text, 0.5),)), Produced(None, ((text, text, None),))
    )


def everywhere(text):
    """A report with a text from outside in every place that holds text."""
    square = HeatCell(0.5, 0.4, 0.6, text, "good", "?", (text,), text)
    return Report(
        text,
        (
            Banner(text, text, "good"),
            Heading("Evidence"),
            Paragraph(text),
            Bullets((text,)),
            Facts(((text, text),)),
            Commands(((text, text),)),
            Table((text,), ((text,), (text,)), totals=((text,),)),
            HeatMap(text, (text,), ((text, (square,)),)),
            ScatterChart(
                (ScatterPoint(text, 1.0, 0.5, 0.4, 0.6, text, "good", "?", True),), text, text, ((text, 0.5),)
            ),
            IntervalChart(((text, 0.1, 0.0, 0.2),)),
            CurveChart(((0, 0.5),), ((0, 0.5),), ((text, 0.4),), text, text),
            Lineage((Born(0, 0.5, text), Born(1, None, text, (0,), True, False, (Diff(text, (("+", text),)),)))),
            GridChart((text,), ((text, (0.5,)),), text),
            WaterfallChart(((text, 1.0, text),), text),
            CalibrationChart(((0.5, 0.5),)),
            Diff(text, (("+", text), ("-", text), (" ", text))),
            Confusion(text, (text,), ((1,),), ((1,),)),
            RowTable((row_line(text),)),
            FullText(text, text),
            MoveChart(((text, 0.1, 0.2, 0.1, 0.3),)),
            Examples(text, (Example(text, ((text, text),)),)),
            Heading(text),
        ),
        {text: "https://example.org/" + text},
    )


def test_no_text_steers_the_terminal_and_none_is_read_as_markup():
    out = io.StringIO()
    print_report(everywhere(STEERING), Console(file=out, width=400, force_terminal=True, color_system=None))
    text = out.getvalue()
    assert text.count(SHOWN) >= 20
    assert not [c for c in text if (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e") and c != "\n"]


HTML = "<script>alert(1)</script>\"' onload=alert(1) <img src=x> {{ 7001 * 7 }} {% raw %} &amp; \x1b[31m \u202eflip"


def test_html_obeys_no_text_wherever_it_stands_and_shows_it_as_it_is():
    page = render_html(everywhere(HTML))
    audit = Audit()
    audit.feed(page)
    assert audit.found == ["script"]  # the page's own
    shown = HTML.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert unescape(page).count(shown) >= 40
    assert "49007" not in page
    assert not [c for c in page if (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e") and c != "\n"]


@pytest.mark.parametrize("kind", get_args(Words) + get_args(Figure), ids=lambda kind: kind.__name__)
def test_every_kind_of_block_is_on_the_page(kind):
    [block] = [block for block in everywhere("seen").blocks if isinstance(block, kind)][-1:]
    assert "seen" in render_html(Report("t", (block,))).split("<main>")[1] or kind is IntervalChart


def test_the_templates_are_installed_with_the_package():
    settings = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["setuptools"]
    [pattern] = settings["package-data"]["reports"]
    assert {path.name for path in (HOME / "reports").glob(pattern)} == {"page.html", "blocks.html"}


def test_markdown_shows_html_and_markdown_and_obeys_neither():
    text = render_markdown(everywhere("<b onclick=x>&#x202e; **loud** [go](javascript:x) ~~gone~~ | `x`"))
    outside = re.sub(r"^(`{3,})\w*\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    outside = "\n".join(line for line in outside.splitlines() if not line.startswith("    "))  # a block of code
    assert (
        "&lt;b onclick=x&gt;&amp;\\#x202e; \\*\\*loud\\*\\* \\[go\\](javascript:x) \\~\\~gone\\~\\~ \\| \\`x\\`"
        in outside
    )
    assert "<" not in outside
    assert not re.search(r"&(?!amp;|lt;|gt;)", outside)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- item", "\\- item"),
        ("1. first", "1\\. first"),
        ("+ more", "\\+ more"),
        ("---", "\\---"),
        ("-0.5 less", "-0.5 less"),
        ("0.5 of it", "0.5 of it"),
    ],
)
def test_a_paragraph_of_markdown_begins_no_list_and_no_rule(text, shown):
    assert render_markdown(Report("t", (Paragraph(text),))).splitlines()[2] == shown


def test_a_difference_that_three_decimals_would_hide_has_more():
    assert [signed(value) for value in (0.0, 0.0004, -0.00003, 0.00051, 1e-7)] == [
        "+0.000", "+0.0004", "-3e-05", "+0.001", "+0.000"
    ]  # fmt: skip


def test_the_forecast_of_embedded_models_calls_its_money_nominal():
    def line(**said):
        return next(text for text in plan_lines("t", "gepa", replace(plan(0.25), **said)) if "money" in text)

    assert line(nominal=False) == "  money   $0.2500 ($0.2000 to $0.3000)"
    assert line() == "  money   $0.2500 ($0.2000 to $0.3000), nominal: the embedded model is free"
    assert "nominal" not in line(cost_usd=None)


def test_a_narrow_terminal_shows_the_first_columns_of_a_wide_table():
    table = Table(("name", "score", "why"), (("a", "0.5", "a long reason"),), (1,), first=(0, 1))
    shown = {}
    for width in (80, 140):
        out = io.StringIO()
        print_report(Report("t", (Heading("Evidence"), table)), Console(file=out, width=width))
        shown[width] = out.getvalue()
    assert "a long reason" in shown[140]
    assert "why" not in shown[80]
    assert "0.5" in shown[80]


def test_money_is_nominal_only_where_embedded_models_alone_were_asked():
    own, paid = outcome(text="plain"), replace(outcome(text="plain"), plan=replace(plan(0.25), nominal=False))
    assert "nominal dollars" in render_html(optimization_report(own))
    page = render_html(optimization_report(paid))
    assert "nominal" not in page
    assert "not from a language model" in page  # one of its roles was the stand-in all the same
