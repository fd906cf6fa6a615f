"""What a page shows of a search: the tree, the field of dev scores, and who spent what."""

import io
import re
from dataclasses import replace

from rich.console import Console

from core.candidate import Candidate, ProgramPrompts, Prompt
from core.evaluation import Usage
from reports import optimization_report, print_report, render_html, render_markdown
from reports.blocks import Born, GridChart, Heading, Lineage, Report, WaterfallChart
from reports.costs import cascade
from reports.grid import grid_lines, grid_table, level
from reports.lineage import places, tree_lines
from reports.search import MOST_CANDIDATES, MOST_ROWS
from reports.waterfall import waterfall_lines
from tests.reports.test_render import outcome


def candidate(index, score, parents=(), text="Seed.", rows=2):
    dev = {f"r{i}": score for i in range(rows)}
    return Candidate(index, "reflection", ProgramPrompts((Prompt("p", text),)), score, dev, parents)


MERGED = (
    candidate(0, 0.2, text="One.\nTwo."),
    candidate(1, 0.5, (0,), "One.\nTwo changed."),
    candidate(2, 0.4, (0,), "One changed.\nTwo."),
    candidate(3, 0.9, (1, 2), "One changed.\nTwo changed."),
)


def page_of(candidates, winner):
    return optimization_report(replace(outcome(text="plain"), candidates=candidates, winner_index=winner))


def one(page, kind):
    return next(block for block in page.blocks if isinstance(block, kind))


def test_a_merge_shows_what_it_changed_against_both_its_parents():
    merge = one(page_of(MERGED, 3), Lineage).nodes[3]
    assert (merge.kind, merge.winner) == ("winner", True)
    assert [(change.title, change.lines) for change in merge.changes] == [
        ("p: against #1", (("-", "One."), ("+", "One changed."), (" ", "Two changed."))),
        ("p: against #2", ((" ", "One changed."), ("-", "Two."), ("+", "Two changed."))),
    ]


def test_every_node_of_the_tree_leads_to_what_it_changed():
    page = render_html(page_of(MERGED, 3))
    assert re.findall(r'class="born ([a-z ]+)" href="#candidate-(\d)"', page)[:4] == [
        ("seed", "0"), ("candidate", "1"), ("candidate", "2"), ("winner", "3")
    ]  # fmt: skip
    for index in range(4):
        assert page.count(f'id="candidate-{index}"') == 1
    assert page.count('class="edge won merging"') == 2  # its second parent, once for each width


def test_a_candidate_stands_right_of_all_its_parents_and_no_two_share_a_place():
    found = places(one(page_of(MERGED, 3), Lineage).nodes, 4)
    assert {index: (place.column, place.row) for index, place in found.items()} == {
        0: (0, 0), 1: (1, 0), 3: (2, 0), 2: (1, 1)
    }  # fmt: skip
    alone = places(tuple(Born(index, 0.5, "trial") for index in range(7)), 3)
    assert [(alone[i].column, alone[i].row) for i in range(7)] == [
        (0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)
    ]  # fmt: skip


def test_a_chain_of_a_thousand_and_a_parent_that_is_not_there_are_drawn():
    chain = tuple(Born(i, 0.5, "reflection", (i - 1,) if i else (77,)) for i in range(1000))
    assert render_html(Report("t", (Lineage(chain),))).count('href="#candidate-999"') == 2
    assert "#0  0.500" in tree_lines(Lineage(chain), 80)[0]


def test_the_tree_in_the_terminal_is_indented_by_generation():
    lines = tree_lines(one(page_of(MERGED, 3), Lineage), 80)
    assert lines == (
        "#0  0.200  where the search began",
        "  #1  0.500  reflection, from #0",
        "    #3  0.900  reflection, from #1, #2, the winner",
        "  #2  0.400  reflection, from #0",
    )


def test_the_field_of_scores_puts_the_hardest_row_first_and_keeps_exact_zeros_and_ones_apart():
    assert [level(score) for score in (0.0, 0.01, 0.99, 1.0)] == [0, 1, 4, 5]
    easy, hard = {"easy": 1.0, "hard": 0.0}, {"easy": 0.5, "hard": 0.0}
    two = (replace(MERGED[0], dev_scores=easy), replace(MERGED[1], dev_scores=hard))
    field = one(page_of(two, 1), GridChart)
    assert field.columns == ("hard", "easy")
    assert field.rows == (("#0", (0.0, 1.0)), ("#1 winner", (0.0, 0.5)))
    assert grid_table(field).rows == (("#0", "2", "1", "0", "1"), ("#1 winner", "2", "0", "1", "1"))
    assert grid_lines(field, 80)[:2] == ("  #0          █", "  #1 winner   ▒")


def test_a_large_search_is_cut_to_what_can_be_read_and_says_so():
    many = tuple(
        replace(candidate(i, i / 100, (0,) if i else ()), dev_scores={f"r{j}": (i * j % 7) / 7 for j in range(300)})
        for i in range(60)
    )
    page = page_of(many, 59)
    field = one(page, GridChart)
    assert (len(field.columns), len(field.rows)) == (MOST_ROWS, MOST_CANDIDATES)
    assert {field.rows[0][0], field.rows[-1][0]} == {"#0", "#59 winner"}
    said = render_markdown(page)
    assert "Of 300 rows these are the 120 that differ most. Of 60 candidates these are the best 40." in said


def test_the_parts_of_the_money_add_up_and_an_unknown_price_is_shown_in_tokens():
    known = {"student": Usage(9, 100, 50, 0.3, hits=4), "judge": Usage(3, 10, 5, 0.1)}
    [chart] = cascade(known, nominal=True)
    assert chart == WaterfallChart(
        (("student", 0.3, "9 calls, 4 cached"), ("judge", 0.1, "3 calls")), "nominal dollars", "usd"
    )
    assert waterfall_lines(chart, 60) == (
        f"  student  {'█' * 30}{' ' * 10}  $0.3000",
        f"  judge    {' ' * 30}{'█' * 10}  $0.1000",
    )
    [tokens] = cascade(known | {"reflector": Usage(1, 20, 5, None)})
    assert (tokens.unit, tokens.whole) == ("tokens", 190.0)
    assert cascade({"student": Usage(hits=5)}) == []


def test_the_terminal_shows_tree_field_and_cascade():
    out = io.StringIO()
    print_report(page_of(MERGED, 3), Console(file=out, width=80))
    text = out.getvalue()
    for line in ("    #3  0.900  reflection, from #1, #2, the winner", "  #3 winner  ▓▓", "$0.2500"):
        assert line in text
    assert max(map(len, text.splitlines())) <= 80
    assert Heading("Search") in page_of(MERGED, 3).blocks
