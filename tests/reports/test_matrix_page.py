"""The report of a matrix: the answer first, every number as measured, and nothing from outside that could do harm."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from core.cells import Cell, CellComparison, ComparisonOutcome, JudgeCard, Matrix, RaceInfo, ScoreEstimate
from core.evaluation import Evaluation, Usage
from core.plain import from_json, to_json
from reports import matrix_report, print_report, render_html, render_markdown
from reports.blocks import (
    Banner,
    Commands,
    Examples,
    Facts,
    Heading,
    HeatMap,
    Report,
    ScatterChart,
    ScatterPoint,
    Table,
)
from reports.script import SCRIPT
from tests.reports.sample import HOSTILE, sample, without_winner

OPEN = CellComparison(ComparisonOutcome.CANNOT_TELL, -0.03, -0.07, 0.01, 15, 40)
HOPELESS = CellComparison(ComparisonOutcome.CANNOT_TELL, -0.05, -0.1, 0.0, 15, None)
WORSE = CellComparison(ComparisonOutcome.WORSE, -0.2, -0.3, -0.1, 15)


class Page(HTMLParser):
    """Tags, attributes and table texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.script = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tags[-1:] == ["script"]:
            self.script += data


def headings(report):
    return [block.text for block in report.blocks if isinstance(block, Heading)]


def table(report, heading):
    """The first table below a heading."""
    after = report.blocks[[getattr(b, "text", "") for b in report.blocks].index(heading) :]
    return next(block for block in after if isinstance(block, Table))


def in_terminal(report, **options):
    out = io.StringIO()
    print_report(report, Console(file=out, **options))
    return out.getvalue()


def test_the_answer_comes_first_and_what_to_do_next_right_after_it():
    report = matrix_report(sample())
    assert [type(block) for block in report.blocks[:4]] == [Banner, Banner, Heading, Commands]
    assert report.blocks[1].title == "Offline stand-in"
    assert headings(report) == [
        "Next", "Criterion by criterion", "Models and prompts", "The choice", "Quality and cost", "All cells",
        "Rows worth reading", "Beside the judge", "The judge", "Rows without a score", "Worth knowing", "Racing",
        "Cost and time", "Where rows and references came from",
    ]  # fmt: skip


def test_the_banner_names_the_cheapest_cell_that_holds_up_and_what_it_costs():
    banner = matrix_report(sample()).blocks[0]
    assert (banner.title, banner.tone) == ("Use default @ haiku", "good")
    assert banner.sentence == (
        "The cheapest cell that is good enough: -0.024 against default @ opus on 15 rows (95 % interval -0.046 to "
        "-0.002; 0.050 less is still good enough). It costs $1.60 for 1,000 rows, the reference $24.00 (nominal). "
        "2 cheaper cells are still open. About 38 rows would settle tighter @ haiku (it has 15 now), about 210 all of "
        "them."
    )


@pytest.mark.parametrize(
    ("comparisons", "title", "tone", "sentence"),
    [
        (
            (OPEN, WORSE), "Cannot tell", "open",
            "No cell is shown to be at most 0.050 worse than default @ opus: 1 cell is open, 1 is worse. "
            "About 40 rows would settle tighter @ opus (it has 15 now).",
        ),
        (
            (HOPELESS,), "Cannot tell", "open",
            "No cell is shown to be at most 0.050 worse than default @ opus: 1 cell is open, 0 are worse. "
            "More rows alone would not settle it.",
        ),
        ((WORSE, WORSE), "None is good enough", "bad", "All 2 other cells are worse than default @ opus; keep it."),
        ((), "Nothing to compare", "open", "default @ opus is the only cell."),
        (
            (CellComparison(ComparisonOutcome.BETTER, 0.02, 0.01, 0.03, 15),), "Good enough, price unknown", "open",
            "tighter @ opus hold up against default @ opus; which is the cheapest cannot be said while prices are "
            "missing.",
        ),
    ],
)  # fmt: skip
def test_the_banner_says_so_when_no_cell_can_be_named(comparisons, title, tone, sentence):
    banner = matrix_report(without_winner(*comparisons)).blocks[0]
    assert (banner.title, banner.tone, banner.sentence) == (title, tone, sentence)


def test_the_heat_map_has_a_word_a_mark_and_a_tone_in_every_square():
    grid = [block for block in matrix_report(sample()).blocks if isinstance(block, HeatMap)][1]
    assert grid.columns == ("default", "tighter", "structured")
    squares = {(name, p): cell for name, row in grid.rows for p, cell in zip(grid.columns, row, strict=True)}
    assert len(squares) == 12
    words = {key: (cell.mark, cell.word, cell.tone) for key, cell in squares.items()}
    assert words["opus", "default"] == ("◆", "reference", "note")
    assert words["opus", "tighter"] == ("▲", "better", "good")
    assert words["haiku", "default"] == ("✓", "good enough", "good")
    assert words["haiku", "structured"] == ("▼", "worse", "bad")
    assert words["flash", "default"] == ("?", "cannot tell", "open")
    assert squares["haiku", "default"].notes == ("★ cheapest that holds up",)
    assert squares["haiku", "tighter"].notes == ("needs about 38 rows",)
    assert squares["flash", "structured"].notes == ("stopped after 5 rows",)
    assert squares["flash", "structured"].problem == ""
    assert squares["grok-fast", "default"].problem == "2 of 15 failed"
    assert squares["grok-fast", "structured"].problem == "15 of 15 failed"
    assert squares["grok-fast", "structured"].value is None


def test_a_cell_that_failed_has_no_score_rather_than_zero():
    page = render_html(matrix_report(sample()))
    assert '<td class="open"><b>no score</b><small>interval unknown</small>' in page
    assert "0.000" not in page
    assert "$0.00" not in page


def test_a_combination_that_was_not_run_says_so():
    whole = sample()
    page = render_html(matrix_report(replace(whole, cells=whole.cells[:-1])))
    assert '<td class="none">not run</td>' in page


def test_the_table_of_all_cells_has_every_number_of_a_cell():
    cells = table(matrix_report(sample()), "All cells")
    rows = {row[0]: tuple(text.replace("\xa0", " ") for text in row[1:]) for row in cells.rows}
    assert cells.filterable
    assert rows["default @ haiku"] == (
        "✓ good enough", "0.818", "0.773 to 0.859", "-0.024", "-0.046 to -0.002", "15", "-", "$1.60", "2.30 s",
        "0 of 15", "",
    )  # fmt: skip
    assert rows["default @ opus"][3:7] == ("-", "-", "-", "-")
    assert rows["tighter @ haiku"][6] == "38"
    assert rows["structured @ grok-fast"] == (
        "? cannot tell", "unknown", "unknown", "unknown", "unknown", "0", "unknown", "unknown", "unknown", "15 of 15",
        "no row was scored",
    )  # fmt: skip
    assert rows["structured @ flash"][9:] == ("0 of 15", "clearly dominated after 5 rows")


def test_criteria_are_a_heat_map_on_the_first_screen_with_weights_and_distances_from_the_reference():
    report = matrix_report(sample())
    grid = next(block for block in report.blocks if isinstance(block, HeatMap))
    assert (
        report.blocks.index(grid) == 6
    )  # after the answer, what is a stand-in, what is next, the heading and one sentence
    assert [text.replace("\xa0", " ") for text in grid.columns] == [
        "signal_preservation (40 %)", "compression (25 %)", "downstream_utility (20 %)", "coherence (15 %)",
    ]  # fmt: skip
    rows = {name: [(cell.value, cell.word, cell.tone) for cell in cells] for name, cells in grid.rows}
    assert [(round(value, 3), word) for value, word, _ in rows["default @ opus"]] == [
        (0.892, "reference"), (0.812, "reference"), (0.842, "reference"), (0.762, "reference"),
    ]  # fmt: skip
    assert [(word, tone) for _, word, tone in rows["default @ haiku"]] == [("-0.024", "open")] * 4
    assert rows["structured @ grok-fast"] == [(None, "", "open")] * 4


def unfit(name, *defects):
    """The sample with defects in one cell; without a recommendation where that was the cell."""
    whole = sample()
    cells = tuple(replace(c, defects=defects) if c.name == name else c for c in whole.cells)
    return replace(whole, cells=cells, cheapest=None if name == whole.cheapest else whole.cheapest)


def test_a_cell_with_a_defect_is_named_in_the_banner_and_never_recommended():
    found = unfit("default @ haiku", "compression has collapsed: 0.000", "15 of 15 outputs are their input again")
    banner = matrix_report(found).blocks[0]
    assert "Use default @ haiku" not in banner.title
    assert banner.sentence.endswith(
        "Not to be used, whatever the score: default @ haiku: compression has collapsed: 0.000, "
        "15 of 15 outputs are their input again."
    )
    choice = table(matrix_report(found), "The choice")
    assert choice.rows[-1][1:3] == (
        "default @ haiku", "not to be used",
    )  # fmt: skip
    grid = next(block for block in matrix_report(found).blocks if isinstance(block, HeatMap))
    square = dict(zip(grid.columns, dict(grid.rows)["default @ haiku"], strict=True))["compression (25\xa0%)"]
    assert (square.word, square.tone) == ("collapsed", "bad")
    models = [block for block in matrix_report(found).blocks if isinstance(block, HeatMap)][1]
    cell = dict(models.rows)["haiku"][0]
    assert (cell.word, cell.tone, cell.problem) == ("good enough", "bad", "not to be used")


def test_cells_with_the_same_defects_are_named_together():
    whole = sample()
    cells = tuple(
        replace(c, defects=("coherence has collapsed: 0.000",)) if c.model == "opus" else c for c in whole.cells
    )
    said = matrix_report(replace(whole, cells=cells)).blocks[0].sentence
    names = "default @ opus, tighter @ opus and structured @ opus"
    assert said.endswith(f"Not to be used, whatever the score: {names}: coherence has collapsed: 0.000.")


def test_where_nothing_is_proven_the_page_ends_in_a_likely_choice_with_its_price():
    whole = sample()
    opened = CellComparison(ComparisonOutcome.CANNOT_TELL, -0.01, -0.07, 0.05, 15, 40, "", 0.91)
    unlikely = CellComparison(ComparisonOutcome.CANNOT_TELL, -0.08, -0.2, 0.04, 15, None, "", 0.22)
    cells = (whole.cells[0], replace(whole.cells[3], comparison=opened), replace(whole.cells[6], comparison=unlikely))
    report = matrix_report(replace(whole, cells=cells, cheapest=None))
    banner = report.blocks[0]
    assert (banner.title, banner.tone) == ("Likely default @ haiku, not proven", "open")
    assert banner.sentence == (
        "It is at most 0.050 worse than default @ opus with a probability of 91 % (-0.010 on 15 rows). It costs $1.60 "
        "for 1,000 rows, the reference $24.00 (nominal). About 40 rows would settle default @ haiku (it has 15 now). "
        "Until then default @ opus is the safe choice."
    )
    assert table(report, "The choice").rows == (
        ("1", "default @ opus", "the reference, safe", "-", "0.842", "$24.00", "-"),
        ("2", "default @ haiku", "not proven", "91 %", "0.818", "$1.60", "about 25 more rows, $0.6400 and the judge"),
        ("3", "default @ flash", "not proven", "22 %", "0.776", "$0.4200", "more rows alone would not tell"),
    )


def test_a_cell_that_is_equal_to_the_letter_is_called_equal_and_not_recommended():
    whole = sample()
    equal = CellComparison(ComparisonOutcome.EQUAL, 0.0, -0.17, 0.17, 15)
    cells = (whole.cells[0], replace(whole.cells[3], comparison=equal))
    report = matrix_report(replace(whole, cells=cells, cheapest=None))
    assert (report.blocks[0].title, report.blocks[0].tone) == ("Keep default @ opus", "bad")
    assert "Same outputs as default @ opus on every row: default @ haiku." in report.blocks[0].sentence
    assert table(report, "The choice").rows[1][2] == "same as the reference"


def test_the_scatter_draws_what_is_known_and_lists_the_rest():
    page = render_html(matrix_report(sample()))
    assert page.count('<path class="mark') == 9
    assert page.count('<path class="best"') == 1
    assert page.count(", cost unknown") == 3
    assert "nominal dollars for 1,000 rows (log scale)" in page


def test_free_models_are_drawn_on_a_linear_axis():
    points = tuple(ScatterPoint(f"p{i}", 0.0, 0.5, 0.4, 0.6, "worse", "bad", "▼", front=i == 0) for i in range(3))
    page = render_html(Report("t", (ScatterChart(points, "cost", "score"),)))
    assert page.count('<path class="mark') == 3
    assert "log scale" not in page


def test_examples_show_best_and_worst_beside_reference_and_the_judges_words():
    shown = [block for block in matrix_report(sample()).blocks if isinstance(block, Examples)]
    assert [block.title for block in shown] == [
        "default @ haiku (cheapest that holds up)", "tighter @ opus (highest score)",
        "structured @ flash (lowest score)", "tighter @ haiku (on the front)", "default @ flash (on the front)",
    ]  # fmt: skip
    first = shown[0].examples
    assert [example.title for example in first] == [
        "best: session-04, 0.858", "worst: session-10, 0.778", "worst: session-05, 0.778",
    ]  # fmt: skip
    sides = dict(first[0].sides)
    assert list(sides) == ["input", "reference", "candidate", "the judge's words", "scores"]
    assert sides["input"].startswith("Transcript 4.")
    assert sides["reference"].startswith("Reference 4.")
    assert sides["candidate"].startswith("Candidate 4 of haiku.")
    assert sides["the judge's words"].startswith("It keeps the decision")
    assert sides["scores"].splitlines()[0] == "score: 0.858"


def test_the_judge_card_says_what_each_number_means_and_what_was_not_measured():
    card = {row[0]: row[1:] for row in table(matrix_report(sample()), "The judge").rows}
    assert card["rank agreement (Spearman)"] == (
        "0.710", "0.550 to 0.820", "60",
        "It orders answers as the gold scores do better than chance (0); 1 would be perfect.",
    )  # fmt: skip
    assert card["flips when the order is swapped"][3] == (
        "8 % of preferences flip when the two answers change places; 0 is ideal."
    )
    assert card["position bias"][3] == "No position bias is shown; 0 is ideal."
    assert card["reference judged against itself"] == ("-", "-", "-", "Not measured.")
    assert card["smallest lift it can show"][3] == (
        "On the planned rows, with 80 % power; finer than the margin of 0.050."
    )


def test_a_judge_that_is_no_better_than_chance_is_called_so():
    weak = JudgeCard("j", 10, spearman=ScoreEstimate(0.2, -0.1, 0.5, 10), self_score=ScoreEstimate(0.9, 0.85, 0.95, 10))
    card = {row[0]: row[4] for row in table(matrix_report(replace(sample(), judge=weak)), "The judge").rows}
    assert "not shown" in card["rank agreement (Spearman)"]
    assert card["reference judged against itself"] == "Equal texts should get 1; the judge takes off 0.100."


def test_failures_are_grouped_by_error_and_name_their_rows():
    found = table(matrix_report(sample()), "Rows without a score")
    assert found.rows[0][:3] == ("HTTP 400: the model does not support system prompts", "lm error", "15")
    assert found.rows[0][3].startswith("structured @ grok-fast: session-00, session-01")
    assert found.rows[0][3].endswith("session-11 and 3 more")
    assert found.rows[1][1:] == ("metric error", "2", "default @ grok-fast: session-03, session-07")
    assert len(found.rows) == 2  # what racing left out is no failure


def test_race_cost_and_origin_are_told():
    report = matrix_report(sample())
    text = render_markdown(report)
    assert "170 of 180 outputs were made; 10 (5.56 %) were saved" in text
    paid = table(report, "Cost and time")
    assert paid.totals == (("all", "323", "12", "473,000", "81,600", "unknown", "17"),)
    origin = next(b for b in reversed(report.blocks) if isinstance(b, Facts))
    assert origin.items[0] == ("rows", "corpora/transcripts.jsonl, 15 of 62 rows")
    assert ("prompt tighter", "1f3a9c0d1e2b4567") in origin.items


def test_the_way_on_quotes_what_a_shell_would_read():
    whole = replace(sample(), task="a b; rm -rf", cheapest=None)
    assert "python cli.py optimize 'a b; rm -rf'" in render_html(matrix_report(whole)).replace("&#39;", "'")
    assert "python cli.py optimize condensation --student haiku" in render_markdown(matrix_report(sample()))


def test_the_page_allows_exactly_its_one_script():
    page = render_html(matrix_report(sample()))
    found = Page(page)
    assert found.tags.count("script") == 1
    assert found.script.rstrip("\n") == SCRIPT
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    [policy] = re.findall(r'Security-Policy" content="([^"]*)"', page)
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{digest}'"
    )


def test_a_page_without_a_table_to_sort_has_no_script():
    page = render_html(Report("t", (Heading("x"), Table(("a",), (("1",),)))))
    assert "script" not in page
    assert "default-src 'none'" in page


def test_the_script_neither_writes_markup_nor_reaches_out():
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval", "fetch", "XMLHttp", "import", "http", "</"):
        assert word not in SCRIPT


def hostile():
    whole = sample(HOSTILE)
    cells = tuple(replace(c, prompt=f"{c.prompt} {HOSTILE}") for c in whole.cells[:3])
    return replace(
        whole, cells=(*cells, *whole.cells[3:]), description=HOSTILE, metric=HOSTILE, warnings=(HOSTILE,),
        corpus={HOSTILE: HOSTILE}, reference=cells[0].name, judge=JudgeCard(HOSTILE, 3, notes=(HOSTILE,)),
        race=RaceInfo(10, 5, (HOSTILE,)),
    )  # fmt: skip


def test_hostile_texts_are_shown_and_do_nothing():
    page = render_html(matrix_report(hostile()))
    found = Page(page)
    assert found.tags.count("script") == 1
    assert not {"img", "iframe", "object", "link", "base", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "action")]
    assert {
        value for name, value in found.attributes if name == "href" and not re.fullmatch(r"#[a-z0-9-]+", value)
    } == set()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for control in ("\x1b", "\u202e", "\u2067", "\ud83d"):
        assert control not in page
    page.encode()


def test_hostile_texts_stay_in_their_cell_in_markdown():
    text = render_markdown(matrix_report(hostile()))
    text.encode()
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<(script|img|svg)", outside)
    assert not re.search(r"(?<!\\)\]\(", outside)
    for control in ("\x1b", "\u202e", "\u2067"):
        assert control not in text
    for block in re.findall(r"(?:^\|.*\n)+", outside, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_hostile_texts_do_not_steer_the_terminal():
    text = in_terminal(matrix_report(hostile()), width=100)
    for control in ("\x1b", "\u202e", "\u2067", "\ud83d"):
        assert control not in text


def test_only_links_of_the_run_point_anywhere_and_only_to_http():
    links = {"run": "http://127.0.0.1:5000/#/run", "bad": "javascript:alert(1)"}
    found = Page(render_html(matrix_report(sample(), links)))
    away = [value for name, value in found.attributes if name == "href" and not value.startswith("#")]
    assert away == ["http://127.0.0.1:5000/#/run"]
    assert not [name for name, _ in found.attributes if name in ("src", "srcset", "data", "poster")]
    assert "url(" not in render_html(matrix_report(sample()))


def test_long_texts_are_clipped_and_the_page_stays_below_two_megabytes():
    page = render_html(matrix_report(sample("long words " * 30_000)))
    assert len(page.encode()) < 300_000
    assert "more characters)" in page


def test_numbers_sort_as_numbers_and_totals_stay_at_the_end():
    page = render_html(matrix_report(sample()))
    assert '<table class="sortable filterable">' in page
    assert '<th class="n">nominal $ per 1,000</th>' in page
    assert "<tfoot><tr><td>all</td>" in page


def test_markdown_has_the_grid_as_a_table():
    lines = render_markdown(matrix_report(sample())).splitlines()
    assert lines[2].startswith("> **Use default @ haiku** The cheapest cell that is good enough: -0.024")
    assert "| model | default | tighter | structured |" in lines
    assert (
        "| grok-fast | 0.802 (0.757 to 0.843), ? cannot tell, needs about 64 rows, 2 of 15 failed | "
        "0.790 (0.745 to 0.831), ? cannot tell, needs about 1,450 rows | no score, ? cannot tell, 15 of 15 failed |"
    ) in lines
    assert "| tighter @ opus | $19.20 | 0.861 | 0.816 to 0.902 | ▲ better | yes |" in lines


def test_the_terminal_shows_the_grid_plain_in_a_pipe_and_coloured_on_a_screen():
    report = matrix_report(sample())
    text = in_terminal(report, width=100)
    assert "\x1b" not in text
    line = next(line for line in text.splitlines() if line.startswith("haiku  "))
    assert re.sub(r"\s+", " ", line).strip() == "haiku 0.818 ✓ good enough 0.809 ? cannot tell 0.704 ▼ worse"
    assert "front  0.861 at $19.20  tighter @ opus  ▲ better" in text
    coloured = in_terminal(report, width=100, force_terminal=True, color_system="standard")
    assert "\x1b[1;32m✓ good enough" in coloured
    assert "\x1b[1;31m▼ worse" in coloured


def test_a_narrow_terminal_gets_a_list():
    text = in_terminal(matrix_report(sample()), width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert "haiku, default" in text
    assert "no score ? cannot tell" in re.sub(r"\s+", " ", text)


def test_a_matrix_goes_to_json_and_back_without_loss():
    assert from_json(Matrix, to_json(sample())) == sample()


ODD = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, 5e-324]), st.floats(allow_nan=True)
)  # fmt: skip
FLOATS = ODD.map(lambda value: 0.5 if value is None else value)
ESTIMATES = st.one_of(st.none(), st.builds(ScoreEstimate, FLOATS, FLOATS, FLOATS, st.integers(0, 10**6)))
COMPARISONS = st.builds(
    CellComparison, st.sampled_from(ComparisonOutcome), ODD, ODD, ODD, st.integers(0, 10**6),
    st.one_of(st.none(), st.integers(0, 10**12)),
)  # fmt: skip
CELLS = st.builds(
    Cell, st.sampled_from("pqr"), st.sampled_from("xyz"), st.just("h"), st.just(Evaluation("all", "h", ())),
    COMPARISONS,
    ESTIMATES, ODD, ODD, st.dictionaries(st.sampled_from("ab"), FLOATS), st.booleans(), st.sampled_from(["", "raced"]),
)  # fmt: skip
CARDS = st.builds(
    JudgeCard, st.just("j"), st.integers(0, 99), ESTIMATES, ESTIMATES, ESTIMATES, ESTIMATES, ESTIMATES, ESTIMATES, ODD
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    cells=st.lists(CELLS, max_size=5),
    card=CARDS,
    cost=ODD,
    margin=FLOATS,
    cheapest=st.sampled_from([None, "p @ x", "gone"]),
    race=st.builds(RaceInfo, st.integers(0, 9), st.integers(0, 9)),
)
def test_odd_numbers_never_become_nan_and_none_reads_unknown(cells, card, cost, margin, cheapest, race):
    odd = replace(
        sample(), cells=tuple(cells), judge=card, usage={"judge": Usage(1, 2, 3, cost, 0.0)}, margin=margin,
        cheapest=cheapest, race=race, seconds=margin, reference="p @ x",
    )  # fmt: skip
    report = matrix_report(odd)
    page = render_html(report).split("<main>")[1].split("<script>")[0]
    for text in (page, render_markdown(report), in_terminal(report, width=90)):
        assert not re.search(r"\b([nN]a[nN]|[iI]nf|None)\b(?! is good enough)", text)
    for row, cell in zip(table(report, "All cells").rows, cells, strict=True):
        if cell.cost_per_1000 is None:
            assert row[8] == "unknown"
        if cell.score is None:
            assert row[2] == row[3] == "unknown"
