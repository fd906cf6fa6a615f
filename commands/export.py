"""``export``: a tuned prompt, written where production can use it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace
    from programs.export import Export
    from tasks.current import Current
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
        str | None, typer.Option(help="Run id, its beginning, or seed; the prompt in use by default (see `show`).")
    ] = None,
    predictor: Annotated[str | None, typer.Option(help="One predictor of a program with several.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Export without an accepting verdict; this is recorded.")
    ] = False,
) -> Outcome:
    """Write the prompt in use where production can use it: the champion, else the best proven run's.

    The record of its run is verified first.
    """
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
        current, export = exportable(where, store, found, run, force=force)
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
        body = recorded(store, current, form, export, written)
    print(f"{found.name}: {current.why}", file=sys.stderr)
    if note:
        body["note"] = note
    if written is None:
        body["content"] = text
        return Outcome(body, f"{text.rstrip()}\nnote: {note}" if note else text.rstrip("\n"))
    told = text.rstrip("\n") if target is not None else f"wrote {written}"
    return Outcome(body, f"{told}\nnote: {note}" if note else told)


def exportable(
    where: Workspace, store: Store, task: Task, run: str | None, *, force: bool = False
) -> tuple[Current, Export]:
    """The prompt that is meant, ready to be rendered; errors as :func:`commands.production.usable_prompt`."""
    from commands.production import export_of, usable_prompt

    current, provenance = usable_prompt(where, store, task, run, force=force)
    return current, export_of(task, current.prompts, provenance)


def recorded(store: Store, current: Current, form: str, export: Export, written: Path | None) -> dict[str, Any]:
    """Note with the prompt's run that it was exported; returns what ``--json`` says of it."""
    from commands.production import told
    from tracking.events import EventKind

    body = {"format": form, "path": str(written) if written else None, "provenance": dict(export.provenance)}
    if current.run_id is not None:
        store.append(current.run_id, EventKind.EXPORTED, json.dumps(body))
    return body | told(current)
