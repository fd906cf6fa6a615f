"""``playbook sweep``: several ways to learn from the same sessions, compared on the same tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Book, Chosen, SessionPlace, Settings, Starting
from commands.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.learning_sweep import Variant
    from sessions.record import Session

EXAMPLE = "python cli.py playbook sweep configs/learning/*.yaml --where experiment=shop_baseline"


def command(
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="Variants, as in configs/learning/.", show_default=False)
    ],
    place: SessionPlace,
    chosen: Chosen,
    settings: Settings,
    spending: Starting,
    student: Annotated[str | None, typer.Option(help="Model of every variant's agent, instead of its own.")] = None,
    model: Annotated[str | None, typer.Option(help="Model that proposes for every variant.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Sessions to learn from.")] = 5,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Pairs at a time.")] = 4,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Else mlruns/learning/.")] = None,
) -> Outcome:
    """Learn from the chosen sessions in each way, try each playbook on the same tasks, and report all keys together."""
    import datetime as dt

    from commands.report_learning import reported
    from core.errors import UsageError
    from experiments.learning_sweep import WITHOUT, read_variants
    from playbook.book import open_playbooks
    from playbook.manifest import RunMetadata, with_controls
    from playbook.summary import Asked, summarise

    variants, where = read_variants(configs), place.find()
    with place.open() as store:
        seen = list(store.sessions(chosen.chain(), trajectories=True))
    if not seen:
        raise UsageError("no session fits", hint="loosen the filters: --where, --since")
    for variant in variants:
        _tried(place, variant, seen, spending, settings, (student, model, most, threads))
    keys = tuple(variant.learning_key for variant in variants)
    controls = tuple(f"{key}{WITHOUT}" for key in keys)
    models = [model or str((variant.learning.llm or {}).get("model", "")) for variant in variants]
    about = RunMetadata(
        prompt_variant=", ".join(f"{one.learning_key}: {one.prompt_variant or '-'}" for one in variants),
        synthesis_models=tuple(name for name in dict.fromkeys(models) if name),
        pamphlet_injection="toggle",
        windows={"recent": 10, "baseline": 50, "overlapping": False},
        evaluated_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    with place.open() as store:
        found = summarise(store, open_playbooks(where), Asked((*keys, *controls), trajectories=10_000))
    folder = Path(out).expanduser() if out else where.mlruns / "learning"
    return reported(where, with_controls(found, controls), about, None, folder, markdown=True)


def _tried(
    place: SessionPlace,
    variant: Variant,
    seen: Sequence[Session],
    spending: Starting,
    settings: Settings,
    flags: tuple[str | None, str | None, int, int],
) -> None:
    """One variant: its entries pass the gates, and its agent runs with and without them."""
    from datetime import UTC, datetime

    from rich.console import Console

    from commands.playbook.propose import of_model
    from experiments.learning_sweep import record_usage, variant_request
    from experiments.sequential import run_experiment
    from playbook.lifecycle import revision
    from playbook.rubric import judge, quality
    from reports.progress import LiveProgress

    student, model, most, threads = flags
    where, book = place.find(), Book(workspace=place.workspace, key=variant.learning_key)
    done, entries = of_model(book, seen, variant.learning, spending, model, most)
    batch = [judge(one, variant.learning) for one in entries]
    about = quality(batch, datetime.now(UTC).isoformat(timespec="seconds"))
    reason = f"proposed by {done.model} in run {done.run_id}"
    book.open().revise(variant.learning_key, reason, lambda known: (revision(known, batch), about))
    known = book.open().read(variant.learning_key)
    request = variant_request(where, variant, known, student=student, sets=settings.overrides(), threads=threads)
    caps = {key: value for key, value in spending.keys().items() if value is not None}
    with LiveProgress(Console(stderr=True), request.test.experiment_id) as progress:
        run_experiment(where, request, spending.options(progress), caps=caps)
    with place.open() as store:
        record_usage(store, known)
