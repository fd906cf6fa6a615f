"""Pages as a browser shows them: nothing beyond the screen, nothing on the console, readable, few sheets of paper."""

import re
from dataclasses import replace

import pytest

from bench.browser import PHONE, Browser, chromium
from core.evaluation import Usage
from core.experiment import Arm, Experiment
from core.verdict import Decision
from reports import JudgeUse, judge_report, matrix_report, optimization_report, render_html, task_report
from reports.experiment_page import experiment_report
from tests.reports.sample import sample
from tests.reports.test_judge_page import rated
from tests.reports.test_render import evaluation, everywhere, outcome
from tests.reports.test_search_page import MERGED
from tests.reports.test_sessions_page import page as sessions_page

PROGRAM = chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine (apt-get install chromium)")
LONG = "The nightly job moved from cron to the queue, and the first try failed. " * 6
ROWS = 500
SHEETS = 5
CONTRASTS = """(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const over = (top, under) => {
    const a = top[3] ?? 1;
    return [0, 1, 2].map(i => a * top[i] + (1 - a) * under[i]);
  };
  const light = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const box = e.tagName === "a" && e.querySelector("rect");
      layers.push(parts(box ? getComputedStyle(box).fill : getComputedStyle(e).backgroundColor));
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  document.querySelectorAll("details").forEach(item => { item.open = true; });
  const found = {};
  for (const e of document.querySelectorAll("main *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length || e.tagName === "title") continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const below = svg && !e.classList.contains("soft") || !svg ? ground(e) : ground(e.ownerSVGElement);
    const above = over(parts(svg ? style.fill : style.color), below);
    const [high, low] = [light(above), light(below)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) found[e.tagName + "." + (e.className.baseVal ?? e.className)] = ratio.toFixed(2);
  }
  return found;
})()"""
SEEN = """(() => {
  const ends = element => element.getBoundingClientRect().bottom, said = [];
  for (const block of document.querySelector("main").children) {
    if (block.getBoundingClientRect().top > innerHeight) break;
    for (const e of [block, ...block.querySelectorAll("span, p, b, code, small")])
      if (ends(e) <= innerHeight) said.push(e.textContent);
  }
  return said.join("\\n");
})()"""


def holdout(scores):
    found = evaluation("holdout", scores, LONG)
    return replace(found, rows=tuple(replace(row, worth=Usage(1, 900, 90, 0.001)) for row in found.rows))


def searched(decision=Decision.PROMOTE, rows=ROWS):
    """A run over many rows of long texts, with a merge in its tree and a long prompt."""
    o = outcome(decision, LONG)
    text = "\n".join(f"{number}. {LONG}" for number in range(60))
    tuned = replace(o.winner, prompts=(replace(o.winner.prompts[0], instruction=text),))
    return replace(
        o, holdout_baseline=holdout([0.0, 1.0] * (rows // 2)), holdout_candidate=holdout([1.0, 0.5] * (rows // 2)),
        candidates=MERGED, winner_index=3, winner=tuned,
    )  # fmt: skip


def tried():
    arms = [
        Arm(name, "h", "a-model", told, 39, won, won / 39, 0.5, 0.9, 0, 1000, 0.03)
        for name, told, won in (("plain", (), 25), ("careful", ("Check limits first",), 37))
    ]
    return Experiment(
        "shop-1", "s", "sprt", {"p0": 0.5, "effect": 0.15, "alpha": 0.05, "beta": 0.1}, "accept",
        "12 won, 0 lost: the log-likelihood ratio +3.15 has reached +2.89", *arms, 39, 0, 6, 185, 0.79, "now", 2.0, 0,
        offline=True, path=(0.1, 0.5, 3.15),
    )  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of every kind, as a file."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "run": optimization_report(searched()),
        "task": task_report("t", [searched(), replace(searched(Decision.HOLD), run_id="t-0")], None),
        "matrix": matrix_report(sample()),
        "judge": judge_report(rated(0.7, 0.5, 0.8), "t", JudgeUse(0.05, 0.05, offline=True)),
        "experiment": experiment_report(tried()),
        "sessions": sessions_page("cost"),
        "blocks": everywhere("Some words"),
    }
    for name, report in made.items():
        (folder / f"{name}.html").write_text(render_html(report), "utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    with Browser(PROGRAM or "") as opened:
        yield opened


NAMES = ("run", "task", "matrix", "judge", "experiment", "sessions", "blocks")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_stays_within_the_screen_and_the_console_stays_empty(browser, pages, name):
    assert (pages / f"{name}.html").stat().st_size <= 2_000_000
    for width in (PHONE, 1440):
        browser.open(pages / f"{name}.html", width=width, height=844)
        assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.console == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_has_enough_contrast_where_it_stands(browser, pages, dark):
    for name in ("blocks", "matrix", "judge"):
        browser.open(pages / f"{name}.html", dark=dark)
        assert browser.value(CONTRASTS) == {}, name


@pytest.mark.parametrize("name", NAMES)
def test_a_page_prints_on_a_few_sheets(browser, pages, name):
    browser.open(pages / f"{name}.html")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", browser.printed())) <= SHEETS


def test_a_click_on_a_node_of_the_tree_opens_what_it_changed(browser, pages):
    page = pages / "still.html"
    page.write_text(re.sub(r"<script>.*?</script>", "", (pages / "run.html").read_text("utf-8"), flags=re.S), "utf-8")
    browser.open(page)
    is_open = "(e => e.checkVisibility() ? e.offsetHeight : 0)(document.querySelector('#candidate-2'))"
    assert browser.value(is_open) == 0
    browser.value("document.querySelector('a[href=\"#candidate-2\"]').dispatchEvent(new MouseEvent('click'))")
    assert browser.value("new Promise(done => setTimeout(done, 200))") is None
    assert browser.value(is_open) > 20
    assert "One changed." in browser.value("document.querySelector('#candidate-2').textContent")


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        # which is best, is it proven, what does it cost, what next
        ("run", ("0.600 instead of 0.400", "The lift is proven", "This run cost nominal $0.2500", "cli.py promote t")),
        ("task", ("t-1 scores 0.600", "proven on unseen rows", "$1.00 for 1,000 rows", "cli.py promote t")),
        ("matrix", ("Use default @ haiku", "interval -0.046 to -0.002", "$1.60 for 1,000 rows", "cli.py optimize")),
        ("judge", ("It agrees with the gold scores", "0.500 to 0.800", "lifts from 0.021", "cli.py matrix t")),
        ("experiment", ("Use careful", "shown to be better", "39 pairs of sessions", "cli.py sessions list")),
        ("sessions", ("succeeded", "left out", "They cost", "cli.py sessions patterns")),
    ],
)
def test_the_first_screen_says_what_is_best_whether_it_is_proven_what_it_costs_and_what_is_next(
    browser, pages, name, facts
):
    browser.open(pages / f"{name}.html")
    seen = browser.value(SEEN)
    assert [fact for fact in facts if fact not in seen] == []
