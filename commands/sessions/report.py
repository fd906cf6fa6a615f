"""``sessions report``: what a set of sessions shows, as a page, as Markdown or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import By, Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from reports.blocks import Report
    from sessions.study import Study

EXAMPLE = "python cli.py sessions report --by model --out sessions.html"
ENDINGS = {"html": ".html", "markdown": ".md", "json": ".json"}


def command(
    place: SessionPlace,
    chosen: Chosen,
    by: By,
    reference: Annotated[str | None, typer.Option(metavar="GROUP", help="What others are compared with.")] = None,
    price: Annotated[
        str, typer.Option(metavar="METRIC", help="What success is weighed against: cost, tokens, latency or steps.")
    ] = "",
    form: Annotated[str, typer.Option("--format", help="html, markdown or json.")] = "html",
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="File to write, - for stdout; mlruns/reports/ when omitted.")
    ] = None,
) -> Outcome:
    """Write what sessions show: rates, repeats, prices, what differs, and what is worth its price."""
    from core.errors import UsageError
    from core.files import write_text
    from reports import sessions_report
    from sessions.frontier import PRICES
    from sessions.study import study, study_metrics

    if form not in ENDINGS:
        raise UsageError(f"--format: received {form!r}; allowed: {', '.join(ENDINGS)}")
    if price and price not in PRICES:
        raise UsageError(f"--price: received {price!r}; allowed: {', '.join(PRICES)}")
    fields = by.fields() or ["model"]
    with place.open() as store:
        found = study(store.tally(study_metrics(), fields, chosen.chain()), fields, reference=reference, price=price)
    if not found.sessions:
        raise UsageError("no sessions fit", hint="bring some in with: python cli.py sessions import FILE")
    body, page = _plain(found), sessions_report(found)
    text = _rendered(form, page, body)
    if out == "-":
        return Outcome({**body, "format": form}, text.rstrip("\n"))
    path = Path(out) if out else place.find().mlruns / "reports" / f"sessions{ENDINGS[form]}"
    write_text(path, text)
    return Outcome(
        {**body, "path": str(path)}, f"{found.sessions:,} sessions in {len(found.groups)} groups\nreport  {path}"
    )


def _rendered(form: str, page: Report, body: dict[str, Any]) -> str:
    import json

    from reports import render_html, render_markdown

    if form == "json":
        return json.dumps(body, ensure_ascii=False, indent=1, default=str) + "\n"
    return render_html(page) if form == "html" else render_markdown(page)


def _plain(found: Study) -> dict[str, Any]:
    """The study as JSON data, without the sums behind it."""
    return {
        "by": found.by,
        "sessions": found.sessions,
        "reference": found.reference,
        "groups": [
            {
                "key": one.group.key,
                "outcomes": {outcome.value: count for outcome, count in one.group.outcomes.items()},
                "estimates": [asdict(estimate) for estimate in (*one.estimates.values(), *one.passes)],
            }
            for one in found.groups
        ],
        "contrasts": [asdict(one) for one in found.contrasts],
        "frontier": None if found.frontier is None else asdict(found.frontier),
    }
