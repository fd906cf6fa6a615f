"""``annotate``: a person scores a program's outputs one after the other, or says which of two is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, Settings, Starting, TaskName
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.evaluation import Evaluation, RowResult
    from data.annotations import Annotation, Preferred

EXAMPLE = "python cli.py annotate extraction --rows 10"
LONGEST = 4000
"""Characters of a value that are shown."""


def command(
    task: TaskName,
    spending: Starting,
    settings: Settings,
    place: Place,
    prompts: Annotated[str, typer.Option(help="seed, champion, or a run id.")] = "seed",
    pairs: Annotated[
        str | None,
        typer.Option(metavar="PROMPTS", help="Other prompts: say for each row which of both outputs is better."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Most outputs to look at now.")] = 10,
    page: Annotated[bool, typer.Option("--page", help="In a browser, at an address of this machine alone.")] = False,
    annotator: Annotated[str | None, typer.Option(help="Who scores; the login name else.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it is kept; corpora/annotations/TASK.jsonl else.")
    ] = None,
) -> Outcome:
    """Score and comment on outputs, or prefer one of two, for the metaprompt's feedback and the judge's card."""
    import contextlib
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
        _, done = evaluated(where, found, prompts, "train", spending.options(progress))
        other = evaluated(where, found, pairs, "train", spending.options(progress))[1] if pairs else None
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        person = Person(who, lambda text: console.input(text, markup=False), console.print)
        if page:
            from commands.annotate_page import serving

            shown = stack.enter_context(serving())
            person = Person(who, shown.ask, shown.say)
            console.print(f"open {shown.address}", markup=False, highlight=False)
        if other is None:
            queue = unscored(done, known, who)[:rows]
            count = annotated(queue, path, done.program_hash, person)
        else:
            queue = undecided(done, other, known, who)[:rows]
            count = compared(queue, path, (done.program_hash, other.program_hash), person)
    body = {"task": task, "file": str(path), "annotated": count, "left": len(queue) - count, "annotator": who}
    lines = [
        f"{count} annotations in {path}",
        f"judge   python cli.py judge-card {task} --scores {path}{place.suffix}",
    ]
    return Outcome(body, "\n".join(lines))


@dataclass(frozen=True)
class Person:
    """Who is asked, and how.

    Attributes:
        name: Their name.
        ask: Asks for a line of text; its end ends the queue.
        say: Shows a text.
    """

    name: str
    ask: Callable[[str], str]
    say: Callable[..., Any]

    def show(self, text: str) -> None:
        """Show a text as it is."""
        self.say(text, markup=False, highlight=False)

    def line(self, question: str) -> str | None:
        """What they type; None when they are gone."""
        try:
            return self.ask(question).strip()
        except EOFError:
            return None


def unscored(done: Evaluation, known: Sequence[Annotation | Preferred], who: str) -> list[RowResult]:
    """The outputs that somebody has not scored yet."""
    from data.annotations import Annotation

    seen = {(a.id, a.prompt_hash) for a in known if isinstance(a, Annotation) and a.annotator == who}
    return [row for row in done.rows if row.prediction and (row.row_id, done.program_hash) not in seen]


def undecided(
    done: Evaluation, other: Evaluation, known: Sequence[Annotation | Preferred], who: str
) -> list[tuple[RowResult, RowResult]]:
    """The rows on which two prompts answer differently, and somebody has not said which answer is better."""
    from data.annotations import Preferred

    both = {done.program_hash, other.program_hash}
    seen = {a.id for a in known if isinstance(a, Preferred) and a.annotator == who and set(a.prompt_hashes) == both}
    theirs = {row.row_id: row for row in other.rows}
    pairs = [(row, theirs[row.row_id]) for row in done.rows if row.row_id in theirs and row.row_id not in seen]
    return [(a, b) for a, b in pairs if a.prediction and b.prediction and a.prediction != b.prediction]


def annotated(queue: Sequence[RowResult], path: Path, prompt: str, person: Person) -> int:
    """Show outputs one by one and keep what is said about each at once; how many were scored.

    Args:
        queue: The outputs.
        path: Where annotations are kept.
        prompt: Hash of the prompt that gave the outputs.
        person: Who scores.
    """
    from data.annotations import Annotation, keep

    count = 0
    for number, row in enumerate(queue, 1):
        _show(person, f"{number} of {len(queue)}: {row.row_id}", row, (("output", row.prediction),))
        score = _score(person)
        if score == "q":
            break
        if score is None:
            continue
        comment = person.line("comment (empty for none): ") or ""
        said = Annotation(
            row.row_id, dict(row.inputs), dict(row.gold), dict(row.prediction), float(score), comment, person.name,
            _now(), prompt,
        )  # fmt: skip
        keep(path, said)
        count += 1
    return count


def compared(queue: Sequence[tuple[RowResult, RowResult]], path: Path, prompts: tuple[str, str], person: Person) -> int:
    """Show two outputs of a row beside each other and keep which is better; how many were decided.

    Which of the two comes first is drawn by row, so that nobody knows which prompt it is from.

    Args:
        queue: The pairs.
        path: Where annotations are kept.
        prompts: Hashes of the prompts that gave the first and the second output of each pair.
        person: Who decides.
    """
    from data.annotations import FIRST, SECOND, TIE, Preferred, keep

    count = 0
    for number, (one, other) in enumerate(queue, 1):
        turned = turned_round(one.row_id, prompts)
        shown = (other, one) if turned else (one, other)
        named = (("answer 1", shown[0].prediction), ("answer 2", shown[1].prediction))
        _show(person, f"{number} of {len(queue)}: {one.row_id}", one, named)
        choice = _choice(person)
        if choice == "q":
            break
        if not choice:
            continue
        preferred = {"1": SECOND if turned else FIRST, "2": FIRST if turned else SECOND, "=": TIE}[choice]
        comment = person.line("why (empty for nothing): ") or ""
        said = Preferred(
            one.row_id, dict(one.inputs), dict(one.gold), dict(one.prediction), dict(other.prediction), preferred,
            comment, person.name, _now(), prompts,
        )  # fmt: skip
        keep(path, said)
        count += 1
    return count


def turned_round(row: str, prompts: tuple[str, str]) -> bool:
    """Whether the second prompt's answer to a row is shown first; drawn by the row and the prompts."""
    import hashlib

    return hashlib.sha256("\0".join((row, *prompts)).encode()).digest()[0] % 2 == 1


def _show(person: Person, title: str, row: RowResult, outputs: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    person.show(f"\n--- {title}")
    for name, values in (("input", row.inputs), *outputs, ("gold", row.gold)):
        for key, value in values.items():
            person.show(f"{name} {key}: {str(value)[:LONGEST]}")


def _now() -> str:
    import datetime as dt

    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _choice(person: Person) -> str:
    """``1``, ``2``, ``=``, nothing to pass over the row, ``q`` to end."""
    while True:
        text = person.line("better: 1, 2 or = (empty: pass over, q: end): ")
        if text is None or text.lower() in ("q", "quit"):
            return "q"
        if text in ("", "1", "2", "="):
            return text
        person.show(f"received {text!r}; allowed: 1, 2, =, nothing, or q")


def _score(person: Person) -> float | str | None:
    """A score from 0 to 1, None to pass over the row, ``q`` to end."""
    while True:
        text = person.line("score 0 to 1 (empty: pass over, q: end): ")
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
        person.show(f"received {text!r}; allowed: a number from 0 to 1, nothing, or q")
