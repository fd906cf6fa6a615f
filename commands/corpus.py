"""``import``: transcripts in any form become a corpus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from commands.session import Finish
from core.errors import DataError, UsageError
from core.files import write_text
from core.redact import from_environment
from core.workspace import Workspace
from data.transcript_builder import Reading
from data.transcript_files import Found, read_transcripts
from data.transcripts import Transcript, select

SHOWN = 5
"""Skipped lines that are printed; ``--json`` has all of them."""


@dataclass(frozen=True)
class Choice:
    """What is read, and which of it is taken."""

    form: str
    count: int | None
    min_user_messages: int
    seed: int
    tool_chars: int
    lenient: bool
    force: bool


def run_import(workspace: Workspace, source: str, out: str, choice: Choice, *, as_json: bool, finish: Finish) -> None:
    """Read transcripts, choose among them and write them as rows; keys of the environment are masked.

    Raises:
        UsageError: If ``out`` is no .jsonl file, or exists and ``force`` is off.
        DataError: If a line cannot be read and ``lenient`` is off, or no transcript is left.
        OutputError: If the file cannot be written.
    """
    path = workspace.root / Path(out).expanduser()
    if path.suffix != ".jsonl":
        raise UsageError(f"--out: received {out!r}; allowed is a file that ends in .jsonl")
    if path.exists() and not choice.force:
        raise UsageError(f"{path} exists", hint="choose another name, or add --force to overwrite it")
    found = read_transcripts(
        source, root=Path.cwd(), form=choice.form, lenient=choice.lenient, reading=Reading(choice.tool_chars)
    )
    fitting = select(found.transcripts, None, choice.min_user_messages)
    chosen = select(fitting, choice.count, 0, choice.seed)
    if not chosen:
        most = max(t.user_messages for t in found.transcripts)
        raise DataError(
            f"{source}: none of {len(found.transcripts)} transcripts has {choice.min_user_messages} user messages; "
            f"the most is {most}",
            hint="lower --min-user-messages",
        )
    mask = from_environment(workspace.root).text
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
    finish(body, _told(found, body, choice), as_json=as_json)


def _row(transcript: Transcript, text: str) -> str:
    about = {
        "source": transcript.source,
        "format": transcript.metadata["format"],
        "user_messages": transcript.user_messages,
    }
    return json.dumps({"id": transcript.id, "input": {"transcript": text}, "metadata": about}, ensure_ascii=False)


def _told(found: Found, body: dict[str, object], choice: Choice) -> str:
    formats = ", ".join(f"{count} {name}" for name, count in found.formats.items())
    lines = [
        f"wrote {body['path']}: {body['written']} transcripts",
        f"  found      {body['found']} in {found.files} files ({formats})",
    ]
    if body["too_few_user_messages"]:
        lines.append(
            f"  too short  {body['too_few_user_messages']} with under {choice.min_user_messages} user messages"
        )
    if body["not_chosen"]:
        lines.append(f"  not taken  {body['not_chosen']} beyond --count {choice.count}")
    elif choice.count and len(found.transcripts) < choice.count:
        lines.append(f"  note       --count asked for {choice.count}")
    if found.copies:
        lines.append(f"  copies     {found.copies} left out")
    if found.empty:
        lines.append(f"  empty      {len(found.empty)} files in which nobody says anything")
    if found.skipped:
        lines.append(f"  skipped    {len(found.skipped)} lines or files that cannot be read:")
        lines += [f"    {place}" for place in found.skipped[:SHOWN]]
    return "\n".join(lines)
