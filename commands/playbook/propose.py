"""``playbook propose``: entries of a file or of a model pass the rubric's gates, or are recorded as rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Book, Chosen, Starting
from commands.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.synthesis import Synthesised
    from playbook.entry import Entry
    from playbook.learning import LearningSection
    from sessions.record import Session

EXAMPLE = "python cli.py playbook propose --key support --where tags.learning_key=support"
PROPOSER = "By a model, where no FILE is given"


def command(
    book: Book,
    chosen: Chosen,
    spending: Starting,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="JSON or YAML with one entry or a list; else a model proposes.", show_default=False
        ),
    ] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="YAML with a `learning` block.")] = None,
    session: Annotated[str, typer.Option(help="Id of the session that a FILE's entries were learned from.")] = "",
    replaces: Annotated[
        bool, typer.Option("--replaces", help="Deprecate active entries that are not among these.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; record nothing.")] = False,
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="Database of sessions.", rich_help_panel=PROPOSER)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Who proposes.", rich_help_panel=PROPOSER)] = None,
    most: Annotated[int, typer.Option(min=1, help="Sessions to learn from.", rich_help_panel=PROPOSER)] = 5,
    corpus: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write a task with these sessions as rows, to tune the proposer; ask nobody.",
            rich_help_panel=PROPOSER,
        ),
    ] = None,
) -> Outcome:  # fmt: skip
    """Judge entries by three gates and four scores, and record them: those that pass come into force."""
    from datetime import UTC, datetime

    from core.errors import UsageError
    from playbook.entry import Lifecycle
    from playbook.learning import LearningSection, read_learning
    from playbook.lifecycle import revision
    from playbook.rubric import judge, quality

    learning = read_learning(Path(config).expanduser()) if config else LearningSection()
    if not (learning.enabled and learning.update_enabled) and not dry_run:
        raise UsageError(f"{config}: learning is switched off", hint="set enabled and update_enabled, or use --dry-run")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    done: Synthesised | None = None
    if source is not None:
        found = _of_file(Path(source).expanduser(), learning, session)
    else:
        seen = _sessions(book, chosen, store)
        if corpus is not None:
            return _task(book, seen, learning, model, most, Path(corpus).expanduser())
        done, found = of_model(book, seen, learning, spending, model, most)
    found = [replace(one, provenance=replace(one.provenance, created_at=now)) for one in found]
    batch = [judge(one, learning) for one in found]
    about = quality(batch, now)
    if not dry_run:
        book.open().revise(
            book.key,
            "proposed" if done is None else f"proposed by {done.model} in run {done.run_id}",
            lambda known: (revision(known, batch, helpful=() if replaces else tuple(known.entries)), about),
            at=now,
        )
    rows = [
        {"id": one.entry.id, "accepted": one.accepted, "total": one.total, "scores": one.scores, "why": one.why,
         "failures": one.failures, "session": one.entry.provenance.session_id}
        for one in batch
    ]  # fmt: skip
    lines = [
        f"{one.entry.lifecycle.value:9} {one.total:.2f}  {one.entry.id}  {one.why or one.entry.action.imperative}"
        for one in batch
    ]
    rest = " (nothing was recorded)" if dry_run else ""
    text = "\n".join([*lines, f"{about.passed} of {about.candidates} passed{rest}"])
    body: dict[str, Any] = {"key": book.key, "entries": rows, "quality": vars(about)}
    if done is not None:
        told = {one.session: one.note for one in done.proposals if one.note and learning.session_note_enabled}
        body |= {"run_id": done.run_id, "model": done.model, "cost_usd": done.cost_usd, "session_notes": told}
        body["failed"] = {one.session: one.error for one in done.proposals if one.error}
    body["active"] = sum(one.entry.lifecycle is Lifecycle.ACTIVE for one in batch)
    return Outcome(body, text)


def _of_file(path: Path, learning: LearningSection, session: str) -> list[Entry]:
    from playbook.entry import read_entry

    category = learning.entry_schema.default_scope_category
    entries = [
        read_entry(raw, category=category, where=f"{path}: entry {number}")
        for number, raw in enumerate(_read(path), start=1)
    ]
    return [replace(one, provenance=replace(one.provenance, session_id=session)) for one in entries]


def _read(path: Path) -> list[Any]:
    import yaml

    from core.errors import DataError

    try:
        given = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    return given if isinstance(given, list) else [given]


def _sessions(book: Book, chosen: Chosen, store: str | None) -> list[Session]:
    from core.redact import from_environment
    from sessions.store import open_sessions

    where = book.find()
    with open_sessions(where, store, from_environment(where.root)) as opened:
        return list(opened.sessions(chosen.chain(), trajectories=True))


def _material(book: Book, sessions: Sequence[Session], learning: LearningSection, most: int) -> Any:
    """What a model learns from: failures beside others, the entries in force, and what they have changed."""
    from experiments.synthesis import Material, material
    from playbook.impact import impacts
    from playbook.usage import in_force, session_usage

    known, schema = book.open().read(book.key), learning.entry_schema
    exact = [handle for handle in schema.allowed_runtime_handles if not handle.endswith("*")]
    lessons, handles = material(sessions, most=most, history=learning.history_limit, handles=exact)
    usages = [session_usage(in_force(known, one), one) for one in sessions if one.trajectory is not None]
    told = known.active("student") if learning.apply_to_prompts else ()
    return Material(lessons, told, handles, impacts(usages), _instruction(book, learning))


def _instruction(book: Book, learning: LearningSection) -> str | None:
    """What the proposer is told instead of its own instruction: a text, or what a run that tuned it has found."""
    import contextlib

    from optimizers.settings import RUN, named_text
    from tracking.store import Store

    said = (learning.prompts or {}).get("synthesis")
    if said is None or not said.startswith(RUN):
        return said
    where = book.find()
    with contextlib.closing(Store(where.mlruns / "proven.db")) as store:
        return named_text(store, where.root, said.strip())


def of_model(
    book: Book, sessions: Sequence[Session], learning: LearningSection, spending: Starting, model: str | None, most: int
) -> tuple[Synthesised, list[Entry]]:
    """What a model proposes, each entry once, with the session that it was first learned from."""
    from rich.console import Console

    from experiments.synthesis import synthesise
    from playbook.entry import guidance_digest
    from programs.synthesis import entries_of
    from reports.progress import LiveProgress

    given = _material(book, sessions, learning, most)
    named = model or (learning.llm or {}).get("model")
    caps = {key: value for key, value in spending.keys().items() if value is not None}
    with LiveProgress(Console(stderr=True), "playbook_synthesis") as progress:
        done = synthesise(book.find(), given, named, spending.options(progress), caps)
    found: dict[str, Entry] = {}
    category = learning.entry_schema.default_scope_category
    for proposal in done.proposals:
        for entry in entries_of({"playbook_entries": proposal.entries}, proposal.session, category):
            origin = replace(entry.provenance, session_id=proposal.session, guidance=guidance_digest(proposal.guidance))
            found.setdefault(entry.id, replace(entry, provenance=origin))
    return done, list(found.values())


def _task(
    book: Book, sessions: Sequence[Session], learning: LearningSection, model: str | None, most: int, path: Path
) -> Outcome:
    """Write the rows and a task file beside them, for `optimize`."""
    import json

    from core.files import write_text
    from experiments.synthesis import synthesis_rows, task_values

    given = _material(book, sessions, learning, most)
    lines = synthesis_rows(book.find(), given, model or (learning.llm or {}).get("model"), labelled=True)
    task = path.with_suffix(".yaml")
    write_text(path, "\n".join(lines) + "\n")
    write_text(task, json.dumps(task_values(path.resolve(), given.instruction), indent=1) + "\n")
    text = f"wrote {path} with {len(lines)} sessions and {task}; tune it: python cli.py optimize {task}"
    return Outcome({"corpus": str(path), "task": str(task), "rows": len(lines)}, text)
