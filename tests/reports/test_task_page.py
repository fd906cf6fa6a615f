"""One page for all runs of a task: which is best, is it proven, what does it cost, what next."""

from dataclasses import replace

from core.optimization import SplitInfo
from core.verdict import Decision
from reports import Reigning, render_html, render_markdown, task_report
from reports.blocks import Banner, Commands, IntervalChart, RowTable, Table
from reports.diffs import word_changes
from reports.optimization import optimization_report
from tests.reports.test_render import evaluation, outcome


def searched(run_id, decision, score):
    o = outcome(decision, f"prompt of {run_id}")
    verdict = replace(o.verdict, evidence=replace(o.verdict.evidence, candidate=score))
    return replace(o, run_id=run_id, verdict=verdict)


def one(page, kind):
    return next(block for block in page.blocks if isinstance(block, kind))


def test_the_best_proven_run_is_named_with_its_price_and_the_command_that_takes_it():
    runs = [
        searched("t-3", Decision.HOLD, 0.9),
        searched("t-2", Decision.PROMOTE, 0.6),
        searched("t-1", Decision.PROMOTE, 0.5),
    ]
    page = task_report("t", runs, None)
    banner = one(page, Banner)
    assert banner.title == "A better prompt is ready"
    assert "t-2 scores 0.600 instead of 0.400" in banner.sentence
    assert one(page, Commands).lines[0][0] == "python cli.py promote t --run t-2"
    assert len(one(page, IntervalChart).rows) == 3
    text = render_markdown(page)
    assert "| t-2 | 40 | 0.400 | 0.600 | +0.200 | +0.100 to +0.300 | PROMOTE |" in text


def test_a_prompt_in_use_is_said_to_be_in_use_and_nothing_proven_to_be_kept():
    best = searched("t-2", Decision.PROMOTE, 0.6)
    page = task_report("t", [best], Reigning("t-2", "2026-01-02T10:00", False, best.winner))
    assert one(page, Banner).title == "The best prompt is in use"
    assert "export" in one(page, Commands).lines[0][0]
    page = task_report("t", [searched("t-1", Decision.HOLD, 0.3)], None)
    assert one(page, Banner).sentence.startswith("Keep the current prompt: of 1 run none is proven better.")


def test_runs_on_another_holdout_are_counted_and_not_compared():
    old = replace(searched("t-1", Decision.PROMOTE, 0.99), splits=SplitInfo(10, 10, 40, "f", "another"))
    page = task_report("t", [searched("t-2", Decision.HOLD, 0.5), old], None)
    assert [row[0] for row in one(page, Table).rows] == ["t-2"]
    assert "1 run on an earlier holdout left out" in render_html(page)


def test_every_holdout_row_is_on_the_page_of_a_run_the_first_gain_and_loss_open():
    page = optimization_report(replace(
        outcome(text="plain"),
        holdout_baseline=evaluation("holdout", [0.0, 1.0, 0.5, 0.0]),
        holdout_candidate=evaluation("holdout", [1.0, 0.0, 0.5, 1.0]),
    ))  # fmt: skip
    rows = one(page, RowTable).rows
    assert [(row.name, row.kind, row.change, row.open) for row in rows] == [
        ("r0", "gain", 1.0, True), ("r1", "loss", -1.0, True), ("r3", "gain", 1.0, False), ("r2", "same", 0.0, False),
    ]  # fmt: skip


def test_five_hundred_long_rows_stay_below_two_megabytes_and_are_all_there():
    long = "a long row & its <text> " * 200
    o = replace(
        outcome(text="plain"), holdout_baseline=evaluation("holdout", [0.0, 1.0] * 250, long),
        holdout_candidate=evaluation("holdout", [1.0] * 500, long),
    )  # fmt: skip
    page = render_html(optimization_report(o))
    assert len(page.encode()) < 2_000_000
    assert "left out to keep the file" not in page
    assert page.count('class="meter') == 500


def test_a_diff_marks_the_words_that_changed_and_leaves_rewritten_lines_whole():
    lines = (
        (" ", "same"),
        ("-", "Answer in one word."),
        ("+", "Answer in two words."),
        ("-", "x y z"),
        ("+", "something new"),
    )
    marked = word_changes(lines)
    assert marked[1] == ("-", ((False, "Answer in "), (True, "one"), (False, " "), (True, "word"), (False, ".")))
    assert marked[2] == ("+", ((False, "Answer in "), (True, "two"), (False, " "), (True, "words"), (False, ".")))
    assert marked[3:] == (("-", ((False, "x y z"),)), ("+", ((False, "something new"),)))
    assert [(mark, "".join(text for _, text in words)) for mark, words in marked] == list(lines)
