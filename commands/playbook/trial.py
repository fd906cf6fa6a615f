"""``playbook trial``: what one entry causes, by switching it on and off."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.flags import Book, Settings, Spending
from commands.outcome import Outcome

EXAMPLE = "python cli.py playbook trial 3f2a --key support --control shop_baseline"


def command(
    name: Annotated[str, typer.Argument(metavar="ENTRY", help="Id of an entry, or its beginning.", show_default=False)],
    book: Book,
    spending: Spending,
    settings: Settings,
    control: Annotated[str | None, typer.Option(help="Configuration of an experiment to try it in.")] = None,
    task: Annotated[str | None, typer.Option(help="Or a task whose program is tried, on train and dev rows.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="With --task: how often each row is tried.")] = 1,
    method: Annotated[str, typer.Option(help="sprt, fixed or eprocess.")] = "sprt",
    alone: Annotated[bool, typer.Option("--alone", help="Without the playbook's other entries.")] = False,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Pairs at a time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only forecast, by a few first pairs.")] = False,
) -> Outcome:
    """Try an entry: sessions in pairs with and without it. One that helps is in force, one that does not is retired."""
    import json

    from rich.console import Console

    from commands.experiment import plan_body
    from core.errors import UsageError
    from core.experiment import Experiment
    from core.plain import to_json
    from experiments.config import config_of, load_experiment
    from experiments.sequential import run_experiment
    from experiments.trial import conclude, trial_request
    from reports import experiment_report
    from reports.progress import LiveProgress, plan_lines

    if (control is None) == (task is None):
        raise UsageError("name what it is tried in: either --control CONFIG or --task TASK", hint=f"Example: {EXAMPLE}")
    where, books = book.find(), book.open()
    if control is not None:
        base = load_experiment(control, root=where.root, sets=settings.overrides())
    else:
        produced = {"kind": "program", "task": task, "trials": trials}
        base = config_of({"experiment_id": book.key, "producer": produced}, settings.overrides())
    known = books.read(book.key)
    entry = known.find(name)
    request = trial_request(base, known, entry, alone=alone, method=method, threads=threads)
    caps = {key: value for key, value in spending.keys().items() if value is not None}
    with LiveProgress(Console(stderr=True), request.test.experiment_id) as progress:
        done = run_experiment(where, request, spending.options(progress), dry_run=dry_run, caps=caps)
    if not isinstance(done, Experiment):
        lines = plan_lines(request.test.experiment_id, request.method, done)
        return Outcome(plan_body(request, done), "\n".join(lines))
    found = conclude(where, books, known, entry, done, request.test.design.effect)
    said = {True: "helps", False: "shows no gain worth having", None: "is not decided"}[found.useful]
    effect = "" if found.effect is None else f"; difference {found.effect:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
    text = f"{entry.id} {said}{effect}\nit is {found.lifecycle.value}"
    return Outcome(json.loads(to_json(found)), text, experiment_report(done))
