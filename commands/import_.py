"""``import``: transcripts in any form become a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.flags import Place
from commands.outcome import Outcome

if TYPE_CHECKING:
    from data.transcript_files import Found
    from data.transcripts import Transcript

EXAMPLE = "python cli.py import sessions/ --out corpora/sessions.jsonl --min-user-messages 5"
SHOWN = 5
"""Skipped lines that are printed; ``--json`` has all of them."""


def command(
    source: Annotated[
        str, typer.Argument(help="File, folder or quoted glob pattern with transcripts.", show_default=False)
    ],
    out: Annotated[
        str, typer.Option(metavar="FILE.jsonl", help="Corpus to write, relative to the workspace.", show_default=False)
    ],
    place: Place,
    form: Annotated[
        str, typer.Option("--format", help="auto, claude-code, codex, openai, mlflow, rows or text.")
    ] = "auto",
    count: Annotated[int | None, typer.Option(min=1, help="How many to take; all of them when omitted.")] = None,
    min_user_messages: Annotated[
        int, typer.Option("--min-user-messages", min=0, help="Leave out those with fewer messages of a person.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Which ones --count takes; the same seed takes the same.")] = 0,
    tool_chars: Annotated[int, typer.Option(min=0, help="Characters kept of each tool call and output.")] = 2000,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Leave out lines that cannot be read, and say so.")
    ] = False,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="NAME", help="Also write a task file that judges a stage on these rows."),
    ] = None,
    stage: Annotated[
        str, typer.Option("--stage", help="Of --task: condensation, extraction, follow_ups or dropped_commitments.")
    ] = "condensation",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing corpus or task file.")] = False,
) -> Outcome:
    """Turn transcripts of coding agents, chats, traces or notes into rows of a corpus; keys are masked."""
    from core.errors import DataError, UsageError
    from core.files import write_text
    from core.redact import from_environment
    from data.transcript_builder import Reading
    from data.transcript_files import read_transcripts
    from data.transcripts import select
    from tasks.scaffold import scaffold_stage

    where = place.find()
    path = where.root / Path(out).expanduser()
    if path.suffix != ".jsonl":
        raise UsageError(f"--out: received {out!r}; allowed is a file that ends in .jsonl")
    if path.exists() and not force:
        raise UsageError(f"{path} exists", hint="choose another name, or add --force to overwrite it")
    found = read_transcripts(source, root=Path.cwd(), form=form, lenient=lenient, reading=Reading(tool_chars))
    fitting = select(found.transcripts, None, min_user_messages)
    chosen = select(fitting, count, 0, seed)
    if not chosen:
        most = max(t.user_messages for t in found.transcripts)
        raise DataError(
            f"{source}: none of {len(found.transcripts)} transcripts has {min_user_messages} user messages; "
            f"the most is {most}",
            hint="lower --min-user-messages",
        )
    mask = from_environment(where.root).text
    write_text(path, "".join(f"{_row(transcript, mask(transcript.text))}\n" for transcript in chosen))
    body = {
        "path": str(path),
        "written": len(chosen),
        "found": len(found.transcripts),
        "too_few_user_messages": len(found.transcripts) - len(fitting),
        "not_chosen": len(fitting) - len(chosen),
        "copies": found.copies,
        "formats": found.formats,
        "files": found.files,
        "empty": list(found.empty),
        "skipped": list(found.skipped),
    }
    following = f"python cli.py import {source} --out {out} --task NAME --force{place.suffix}"
    if task is not None:
        body["task"] = str(scaffold_stage(task, stage, path, where.root, force=force).path)
        following = f"python cli.py matrix {task}{place.suffix}"
    body["next"] = following
    made = [f"wrote {body['task']}: the stage {stage}"] if task is not None else []
    return Outcome(body, "\n".join([_told(found, body, min_user_messages, count), *made, f"next: {following}"]))


def _row(transcript: Transcript, text: str) -> str:
    about = {
        "source": transcript.source,
        "format": transcript.metadata["format"],
        "user_messages": transcript.user_messages,
    }
    return json.dumps({"id": transcript.id, "input": {"transcript": text}, "metadata": about}, ensure_ascii=False)


def _told(found: Found, body: dict[str, object], least: int, count: int | None) -> str:
    formats = ", ".join(f"{count} {name}" for name, count in found.formats.items())
    lines = [
        f"wrote {body['path']}: {body['written']} transcripts",
        f"  found      {body['found']} in {found.files} files ({formats})",
    ]
    if body["too_few_user_messages"]:
        lines.append(f"  too short  {body['too_few_user_messages']} with under {least} user messages")
    if body["not_chosen"]:
        lines.append(f"  not taken  {body['not_chosen']} beyond --count {count}")
    elif count and len(found.transcripts) < count:
        lines.append(f"  note       --count asked for {count}")
    if found.copies:
        lines.append(f"  copies     {found.copies} left out")
    if found.empty:
        lines.append(f"  empty      {len(found.empty)} files in which nobody says anything")
    if found.skipped:
        lines.append(f"  skipped    {len(found.skipped)} lines or files that cannot be read:")
        lines += [f"    {place}" for place in found.skipped[:SHOWN]]
    return "\n".join(lines)
