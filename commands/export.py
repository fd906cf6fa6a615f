"""``export``: a tuned prompt, written where production can use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from programs.export import Export
    from tasks.task import Task
    from tracking.store import Store

EXAMPLE = "python cli.py export extraction --format messages --out prompt.json"


def command(
    task: TaskName,
    place: Place,
    form: Annotated[str, typer.Option("--format", help="text, messages, dspy, yaml or python.")] = "text",
    out: Annotated[str | None, typer.Option(help="File to write; stdout when omitted.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="FILE.py:CONSTANT", help="With --format python: the constant to replace.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="Run id or its beginning; the latest promoted one by default.")
    ] = None,
    predictor: Annotated[str | None, typer.Option(help="One predictor of a program with several.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Export without an accepting verdict; this is recorded.")
    ] = False,
) -> Outcome:
    """Write a tuned prompt where production can use it."""
    import contextlib

    from core.errors import UsageError
    from core.files import write_text
    from programs.export import FORMATS, plan_constant_edit
    from tasks.open_run import open_store, open_task

    chosen, where = FORMATS.get(form), place.find()
    if target is not None and chosen.name != "python":
        raise UsageError(f"--target goes with --format python, received --format {form}")
    found = open_task(where, task, [])
    with contextlib.closing(open_store(where)) as store:
        run_id, export = exportable(store, found, run, force=force)
        note = ""
        if chosen.sidecar and any(prompt.demos for prompt in export.prompts.prompts):
            note = f"this prompt has demos, which --format {form} leaves out; use messages, dspy or yaml to keep them"
        if target is not None:
            edit = plan_constant_edit(target, export.one(predictor).instruction)
            write_text(edit.path, edit.after)
            text, written = edit.diff or "no change", edit.path
        else:
            text, written = chosen.render(export, predictor), Path(out) if out else None
            if written is not None:
                write_text(written, text)
        if written is not None and chosen.sidecar:
            sidecar = written.with_name(written.name + ".provenance.json")
            write_text(sidecar, json.dumps(dict(export.provenance), indent=2) + "\n")
        body = recorded(store, run_id, form, export, written)
    if note:
        body["note"] = note
    if written is None:
        body["content"] = text
        return Outcome(body, f"{text.rstrip()}\nnote: {note}" if note else text.rstrip("\n"))
    told = text.rstrip("\n") if target is not None else f"wrote {written}"
    return Outcome(body, f"{told}\nnote: {note}" if note else told)


def exportable(store: Store, task: Task, run: str | None, *, force: bool) -> tuple[str, Export]:
    """The run that is meant and its winner, ready to be rendered.

    Raises:
        GateRefusalError: If the gate has not accepted it and ``force`` is off.
    """
    from commands.production import check, export_of, find_run
    from core.verdict import Decision

    outcome = find_run(store, task, run)
    check(outcome, task, force=force)
    return outcome.run_id, export_of(task, outcome, forced=outcome.verdict.decision is not Decision.PROMOTE)


def recorded(store: Store, run_id: str, form: str, export: Export, written: Path | None) -> dict[str, Any]:
    """Note with the run that its prompt was exported; returns what is noted."""
    from tracking.events import EventKind

    body = {"format": form, "path": str(written) if written else None, "provenance": dict(export.provenance)}
    store.append(run_id, EventKind.EXPORTED, json.dumps(body))
    return body
