"""``judge-card``: how far a task's judge can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.flags import Place, Settings, Starting, TaskName
from commands.outcome import Outcome

EXAMPLE = "python cli.py judge-card condensation --scores rated.jsonl"


def command(
    task: TaskName,
    spending: Starting,
    settings: Settings,
    place: Place,
    scores: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rated outputs: JSONL of {input, reference, output, score in 0 to 1}."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Most outputs to examine the judge on.")] = 24,
    repeats: Annotated[int, typer.Option(min=1, max=10, help="Times that each question is really asked.")] = 2,
    planned: Annotated[int | None, typer.Option(min=2, help="Rows of the comparison that the judge is for.")] = None,
) -> Outcome:
    """How far can the judge be trusted: agreement, order effect, noise, and the smallest lift it can resolve."""
    import json

    from rich.console import Console

    from commands.report import card_page
    from core.files import write_text
    from core.plain import to_json
    from experiments.bench import open_bench
    from experiments.judging import examine_judge
    from metrics.calibration import too_noisy
    from reports import render_html
    from reports.blocks import Banner
    from reports.progress import LiveProgress
    from tasks.open_run import open_task
    from tracking.events import EventKind

    where = place.find()
    found = open_task(where, task, settings.overrides(spending.keys()))
    params = {"rows": str(rows), "repeats": str(repeats), "scores": scores or ""}
    with (
        LiveProgress(Console(stderr=True), found.name) as progress,
        open_bench(where, found, "judge-card", spending.options(progress), params) as bench,
    ):
        run, rated = bench.run, Path(scores) if scores else None
        card = examine_judge(bench, scores=rated, rows=rows, repeats=repeats, planned=planned)
        run.record.emit(EventKind.JUDGE_CARD, card)
        page = card_page(run.store, run.id, place.quoted, run.tracker.links(found.name, run.id))
        path = where.mlruns / "reports" / f"{run.id}.html"
        write_text(path, render_html(page))
        run.record.emit(EventKind.REPORT, {"path": str(path)})
    section = found.config.judge
    sought = section.sought if section is not None else 0.05
    body = {
        "task": task, **json.loads(to_json(card)), "sought": sought, "refusal": too_noisy(card, sought),
        "run_id": run.id, "report": str(path),
    }  # fmt: skip
    verdict = next(block.title for block in page.blocks if isinstance(block, Banner))
    return Outcome(body, f"\nverdict  {verdict}\nreport   {path}", page)
