"""All runs of a task on one page: which is best, is it proven, what does it cost, what next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.candidate import ProgramPrompts
from core.optimization import Optimization
from core.verdict import Decision, Evidence
from reports.blocks import (
    Banner,
    Block,
    Commands,
    Example,
    Examples,
    Facts,
    FullText,
    Heading,
    IntervalChart,
    Paragraph,
    Report,
    ScatterChart,
    ScatterPoint,
    Table,
    shorten,
)
from reports.costs import price_of
from reports.deciding import lift_line, recommended
from reports.numbers import counted, dollars, number, signed, span

PROMPT_CHARS, PROMPTS = 20_000, 4
MARKS = {Decision.PROMOTE: ("◆", "good"), Decision.HOLD: ("▼", "bad"), Decision.INCONCLUSIVE: ("?", "open")}


@dataclass(frozen=True)
class Reigning:
    """The prompt in use: the run that found it, when it was promoted, and whether without proof."""

    run_id: str
    at: str
    forced: bool
    prompts: ProgramPrompts


def task_report(
    task: str,
    runs: Sequence[Optimization],
    champion: Reigning | None,
    *,
    links: Mapping[str, str] | None = None,
    workspace: str | None = None,
) -> Report:
    """Build the page of a task from its finished searches, newest first; at least one.

    Scores compare only on the same holdout, so the page is about the newest run's; runs on another one are counted.
    """
    same = [o for o in runs if o.splits.holdout_fingerprint == runs[0].splits.holdout_fingerprint]
    judged = [o for o in same if o.verdict.evidence is not None]
    best = _best(judged)
    place = f" --workspace {workspace}" if workspace else ""
    blocks: list[Block] = [
        _banner(task, judged, best, champion),
        Heading("Next"),
        Commands(tuple((command + place, why) for command, why in _next(runs[0], best, champion))),
        *_lifts(judged),
        *_costs(judged, best),
        *_table(runs, same),
        *_prompts(judged, best, champion),
        *_in_use(champion),
        *_paste(judged),
    ]
    return Report(f"{task}: all runs", tuple(blocks), dict(links or {}))


def _best(judged: Sequence[Optimization]) -> Optimization | None:
    """The run with the highest holdout score among those proven better, or among all where none is."""
    proven = [o for o in judged if o.verdict.decision is Decision.PROMOTE]
    return max(proven or judged, key=lambda o: _evidence(o).candidate, default=None)


def _evidence(o: Optimization) -> Evidence:
    assert o.verdict.evidence is not None  # only judged runs come here
    return o.verdict.evidence


def _banner(task: str, judged: Sequence[Optimization], best: Optimization | None, champion: Reigning | None) -> Banner:
    if best is None:
        return Banner("Nothing was compared yet", f"No run of {task} has opened the current holdout.", "open")
    evidence = _evidence(best)
    price = price_of(best.holdout_candidate)
    cost = f" It costs {dollars(price)} for 1,000 rows{_nominal(best)}." if price is not None else ""
    scores = f"{number(evidence.candidate)} instead of {number(evidence.baseline)}, {lift_line(evidence)}"
    if best.verdict.decision is not Decision.PROMOTE:
        said = f"Keep the current prompt: of {counted(len(judged), 'run')} none is proven better. The closest, "
        return Banner("Nothing is proven yet", f"{said}{best.run_id}: {scores}.{cost}", "open")
    in_use = champion is not None and champion.run_id == best.run_id
    state = "It is in use." if in_use else "It is not promoted yet."
    return Banner(
        "The best prompt is in use" if in_use else "A better prompt is ready",
        f"{best.run_id} scores {scores}; proven on unseen rows.{cost} {state}",
        "good",
    )


def _next(newest: Optimization, best: Optimization | None, champion: Reigning | None) -> list[tuple[str, str]]:
    task = newest.task
    if best is None or best.verdict.decision is not Decision.PROMOTE:
        return [recommended(best or newest)]
    export = (f"python cli.py export {task} --format messages --out prompt.json", "take it into production")
    if champion is not None and champion.run_id == best.run_id:
        return [export]
    run = "" if best.run_id == newest.run_id else f" --run {best.run_id}"
    return [(f"python cli.py promote {task}{run}", "make it the prompt that the next run has to beat"), export]


def _name(o: Optimization) -> str:
    return f"{o.optimizer} s{o.seed} {o.started_at[5:16].replace('T', ' ')}"


def _lifts(judged: Sequence[Optimization]) -> list[Block]:
    rows = tuple(
        (_name(o), _evidence(o).delta, low, high)
        for o in judged
        if (low := _evidence(o).low) is not None and (high := _evidence(o).high) is not None
    )
    if not rows:
        return []
    levels = sorted({f"{100 * (1 - _evidence(o).alpha):.4g} %" for o in judged})
    said = (
        f"A line is a run: its lift on the holdout over what it had to beat, with its interval ({', '.join(levels)}; "
        "each further look at the same holdout is judged more strictly). Right of 0 it is better."
    )
    return [Heading("Lift of each run"), Paragraph(said), IntervalChart(rows)]


def _nominal(o: Optimization) -> str:
    return " (nominal)" if o.nominal else ""


def _costs(judged: Sequence[Optimization], best: Optimization | None) -> list[Block]:
    """Score against price, of what had to be beaten and of each tuned prompt."""
    found: dict[str, tuple[str, float | None, float, str, str, str]] = {}
    for o in judged:
        mark, tone = MARKS[o.verdict.decision]
        evidence = _evidence(o)
        start = f"{o.had_to_beat or 'current prompt'} ({o.params.get('student', '')})"
        found.setdefault(
            o.baseline.hash,
            (start, price_of(o.holdout_baseline), evidence.baseline, "what had to be beaten", "note", ""),
        )
        line = (_name(o), price_of(o.holdout_candidate), evidence.candidate, o.verdict.decision.value, tone, mark)
        found[o.winner.hash] = line
    points = list(found.values())
    if best is None or not any(price for _, price, *_ in points):
        return []
    drawn = tuple(
        ScatterPoint(label, price, score, None, None, word, tone, mark, _on_front(price, score, points))
        for label, price, score, word, tone, mark in points
    )
    x_label = f"{'nominal ' if best.nominal else ''}dollars for 1,000 rows"
    return [
        Heading("Score against cost"),
        Paragraph("On the front, nothing else is both better and cheaper."),
        ScatterChart(drawn, x_label, "holdout score"),
    ]


def _on_front(
    price: float | None, score: float, points: Sequence[tuple[str, float | None, float, str, str, str]]
) -> bool:
    if price is None:
        return False
    return not any(p is not None and p <= price and s >= score and (p < price or s > score) for _, p, s, *_ in points)


def _table(runs: Sequence[Optimization], same: Sequence[Optimization]) -> list[Block]:
    money = "nominal money" if same[0].nominal else "money"
    head = ("run", "optimiser", "student", "verdict", "score", "before", "lift", "interval", money, "seconds")
    rows = tuple(_table_row(o) for o in same)
    others = len(runs) - len(same)
    blocks: list[Block] = [Heading("Runs"), Table(head, rows, (4, 5, 6, 8, 9), filterable=True)]
    if others:
        blocks.append(Paragraph(f"{counted(others, 'run')} on an earlier holdout left out: scores do not compare."))
    return blocks


def _table_row(o: Optimization) -> tuple[str, ...]:
    evidence = o.verdict.evidence
    numbers = (
        (number(evidence.candidate), number(evidence.baseline), signed(evidence.delta),
         span(evidence.low, evidence.high, sign=True))
        if evidence else ("-", "-", "-", "-")
    )  # fmt: skip
    about = (o.run_id, o.optimizer, o.params.get("student", ""), o.verdict.decision.value)
    return (*about, *numbers, dollars(o.total_usage.cost_usd), f"{o.seconds:.1f}")


def _prompts(judged: Sequence[Optimization], best: Optimization | None, champion: Reigning | None) -> list[Block]:
    if best is None:
        return []
    ranked = sorted(judged, key=lambda o: -_evidence(o).candidate)
    chosen = [("what had to be beaten", best.baseline), *((_titled(o), o.winner) for o in ranked)]
    if champion is not None:
        chosen.insert(1, ("the champion", champion.prompts))
    distinct = {prompts.hash: (title, prompts) for title, prompts in reversed(chosen)}
    shown = [pair for pair in chosen if distinct[pair[1].hash] == pair][:PROMPTS]
    examples = []
    for prompt in best.baseline.prompts:
        sides = tuple(
            (title, shorten(text, PROMPT_CHARS))
            for title, prompts in shown
            for text in [next((p.text for p in prompts.prompts if p.predictor == prompt.predictor), "")]
        )
        examples.append(Example(prompt.predictor, sides))
    return [Heading("Prompts side by side"), Examples("By predictor", tuple(examples))]


def _titled(o: Optimization) -> str:
    return f"{_name(o)}: {number(_evidence(o).candidate)}, {o.verdict.decision.value}"


def _in_use(champion: Reigning | None) -> list[Block]:
    if champion is None:
        return [Heading("In use"), Paragraph("No prompt has been promoted: the task's own instruction is in use.")]
    items = (
        ("run", champion.run_id or "the seed"),
        ("promoted", champion.at[:16].replace("T", " ")),
        ("proven", "no, it was forced" if champion.forced else "yes" if champion.run_id else "it is the seed"),
    )
    text = "\n\n".join(prompt.text for prompt in champion.prompts.prompts)
    return [Heading("In use"), Facts(items), FullText("The whole prompt", shorten(text, PROMPT_CHARS))]


def _paste(judged: Sequence[Optimization]) -> list[Block]:
    if not judged:
        return []
    head = "| run | n | before | tuned | lift | interval | verdict |\n|---|---:|---:|---:|---:|---|---|"
    rows = [
        f"| {o.run_id} | {e.n} | {number(e.baseline)} | {number(e.candidate)} | {signed(e.delta)} | "
        f"{span(e.low, e.high, sign=True)} | {o.verdict.decision.value} |"
        for o in judged
        for e in [_evidence(o)]
    ]
    return [Heading("To paste"), FullText("The runs as a Markdown table", "\n".join([head, *rows]))]
