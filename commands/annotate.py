"""``annotate``: a person scores and comments on a program's outputs, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, Settings, Starting, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.evaluation import RowResult

EXAMPLE = "python cli.py annotate extraction --rows 10"
LONGEST = 4000
"""Characters of a value that are shown."""


def command(
    task: TaskName,
    spending: Starting,
    settings: Settings,
    place: Place,
    prompts: Annotated[str, typer.Option(help="seed, champion, or a run id.")] = "seed",
    rows: Annotated[int, typer.Option(min=1, help="Most outputs to look at now.")] = 10,
    annotator: Annotated[str | None, typer.Option(help="Who scores; the login name else.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it is kept; corpora/annotations/TASK.jsonl else.")
    ] = None,
) -> Outcome:
    """Score and comment on outputs, for the metaprompt's feedback and the judge's card."""
    import getpass

    from rich.console import Console

    from commands.eval import evaluated
    from data.annotations import read_annotations
    from reports.progress import LiveProgress
    from tasks.open_run import open_task

    where = place.find()
    who = annotator or getpass.getuser()
    path = out or where.root / "corpora" / "annotations" / f"{task}.jsonl"
    known = read_annotations(path)
    found = open_task(where, task, settings.overrides(spending.keys()))
    with LiveProgress(Console(stderr=True), found.name) as progress:
        done = evaluated(where, found, prompts, "train", spending.options(progress))
    seen = {(a.id, a.prompt_hash) for a in known if a.annotator == who}
    queue = [row for row in done.rows if row.prediction and (row.row_id, done.program_hash) not in seen][:rows]
    console = Console(stderr=True)
    count = annotated(
        queue, path, (who, done.program_hash), lambda text: console.input(text, markup=False), console.print
    )
    body = {"task": task, "file": str(path), "annotated": count, "left": len(queue) - count, "annotator": who}
    lines = [
        f"{count} annotations in {path}",
        f"judge   python cli.py judge-card {task} --scores {path}{place.suffix}",
    ]
    return Outcome(body, "\n".join(lines))


def annotated(
    queue: list[RowResult],
    path: Path,
    by: tuple[str, str],
    ask: Callable[[str], str],
    say: Callable[..., Any],
) -> int:
    """Show outputs one by one and keep what is said about each at once; how many were scored.

    Args:
        queue: The outputs.
        path: Where annotations are kept.
        by: Who scores, and the hash of the prompt that gave the outputs.
        ask: Asks for a line of text; its end ends the queue.
        say: Shows a text.
    """
    import datetime as dt

    from data.annotations import Annotation, keep

    count = 0
    for number, row in enumerate(queue, 1):
        say(f"\n--- {number} of {len(queue)}: {row.row_id}", markup=False, highlight=False)
        for name, values in (("input", row.inputs), ("output", row.prediction), ("gold", row.gold)):
            for key, value in values.items():
                say(f"{name} {key}: {str(value)[:LONGEST]}", markup=False, highlight=False)
        score = _score(ask, say)
        if score == "q":
            break
        if score is None:
            continue
        comment = _line(ask, "comment (empty for none): ") or ""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        said = Annotation(
            row.row_id, dict(row.inputs), dict(row.gold), dict(row.prediction), float(score), comment, by[0], at, by[1]
        )
        keep(path, said)
        count += 1
    return count


def _score(ask: Callable[[str], str], say: Callable[..., Any]) -> float | str | None:
    """A score from 0 to 1, None to pass over the row, ``q`` to end."""
    while True:
        text = _line(ask, "score 0 to 1 (empty: pass over, q: end): ")
        if text is None or text.lower() in ("q", "quit"):
            return "q"
        if not text:
            return None
        try:
            score = float(text)
        except ValueError:
            score = -1.0
        if 0 <= score <= 1:
            return score
        say(f"received {text!r}; allowed: a number from 0 to 1, nothing, or q", markup=False)


def _line(ask: Callable[[str], str], question: str) -> str | None:
    try:
        return ask(question).strip()
    except EOFError:
        return None
