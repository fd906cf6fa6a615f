"""Freezing a teacher's verdicts into gold: each row is asked once, with what it cost; a failure is never a verdict."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import dspy

from core.candidate import ProgramPrompts
from core.economy import TeacherFacts
from core.errors import DataError, OutputError, UsageError
from core.evaluation import Judgement, RowResult, RowStatus
from core.plain import canonical
from data.corpus import Row, parse_jsonl, read_corpus
from metrics.evaluate import Evaluator

COMMAND = "cmd:"
ERROR_CHARS = 400


@dataclass(frozen=True)
class TeacherVerdict:
    """A teacher's verdict on one row, or why there is none; None for what was not measured."""

    row_id: str
    label: Any = None
    error: str | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


class Teacher(Protocol):
    """Whoever gives verdicts. ``name``, ``model`` and ``prompt_hash`` go into every row's provenance."""

    @property
    def name(self) -> str:
        """A task of the workspace, or the command."""
        ...

    @property
    def model(self) -> str | None:
        """The model behind it, where that is known."""
        ...

    @property
    def prompt_hash(self) -> str | None:
        """The hash of the prompts, where they are known."""
        ...

    def ask(self, rows: Sequence[Row], done: Callable[[TeacherVerdict], None], desk: Path) -> None:
        """Give a verdict on every row; ``done`` is called from one thread at a time, in any order.

        ``desk`` is a folder for what is under way, so that it is not asked again after a kill.
        """
        ...


@dataclass(frozen=True)
class _Unjudged:
    """A metric that judges nothing: a teacher has no gold to be compared with."""

    name: str = "unjudged"

    def judge(self, row: Row, prediction: Any) -> Judgement:
        return Judgement(1.0)


@dataclass(frozen=True)
class ProgramTeacher:
    """A task of the workspace with its prompts, run through the ledger."""

    name: str
    model: str | None
    prompts: ProgramPrompts
    program: dspy.Module
    evaluate: Evaluator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def prompt_hash(self) -> str | None:
        """The hash of the prompts it is run with."""
        return self.prompts.hash

    def ask(self, rows: Sequence[Row], done: Callable[[TeacherVerdict], None], desk: Path) -> None:
        """Run the program on every row.

        Raises:
            DataError: If a row lacks an input of the task.
            ModelError: If the model is unreachable or too many rows fail; verdicts given so far are kept.
        """
        for row in rows:
            lacking = [name for name in self.inputs if name not in row.inputs]
            if lacking:
                raise DataError(f"row {row.id!r} has no input {lacking[0]!r}, which the teacher {self.name} needs")

        def on_row(result: RowResult, finished: int, planned: int) -> None:
            done(self._answer(result))

        asked = [Row(r.id, {name: r.inputs[name] for name in self.inputs} or r.inputs, {}) for r in rows]
        self.evaluate(self.program, asked, split="teacher", program_hash=self.prompts.hash, on_row=on_row)

    def _answer(self, result: RowResult) -> TeacherVerdict:
        if result.status is not RowStatus.OK:
            return TeacherVerdict(result.row_id, error=f"{result.status}: {result.error}")
        label = {k: v for k, v in result.prediction.items() if not self.outputs or k in self.outputs}
        return TeacherVerdict(result.row_id, label, cost_usd=result.worth.cost_usd, latency_s=result.latency)


def unjudged(evaluator: Evaluator) -> Evaluator:
    """The evaluator without a metric, as a teacher needs it."""
    return Evaluator(evaluator.lm, evaluator.adapter, _Unjudged(), evaluator.threads, evaluator.max_error_share)


def command_words(text: str) -> tuple[str, ...]:
    """The words of ``cmd: ...``.

    Raises:
        UsageError: If there is no command, or a quote is not closed.
    """
    try:
        words = tuple(shlex.split(text.removeprefix(COMMAND)))
    except ValueError as error:
        raise UsageError(f"--teacher: received {text!r}: {error}") from None
    if not words:
        raise UsageError("--teacher: there is no command after 'cmd:'", hint="--teacher 'cmd: ./audit --json'")
    return words


def read_questions(path: Path) -> tuple[Row, ...]:
    """Read the rows that the teacher is asked about: ``{id | scenarioId, input, split?, group?}`` per line.

    Raises:
        DataError: With every mistake and its ``file:line``.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    return parse_jsonl("\n".join(_labelled(line) for line in lines), str(path), require_ids=True).rows


def _labelled(line: str) -> str:
    """A line with an empty label, so that it reads as a gold row; what is wrong otherwise is told by the reader."""
    try:
        item = json.loads(line)
    except json.JSONDecodeError:
        return line
    return json.dumps({**item, "label": {}}, ensure_ascii=False) if isinstance(item, dict) else line


@dataclass(frozen=True)
class Freezing:
    """What came of it: rows that were frozen already, rows that got their verdict now, rows that failed and why."""

    already: int
    frozen: int
    failed: tuple[tuple[str, str], ...]


@dataclass
class _GoldFile:
    """The gold while it is written: a line is on disk as soon as its verdict is there."""

    path: Path
    teacher: Teacher
    questions: dict[str, Row]
    failed: list[TeacherVerdict] = field(default_factory=list)
    frozen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, answer: TeacherVerdict) -> None:
        """Append a verdict, or remember a failure."""
        with self.lock:
            if answer.error is not None:
                self.failed.append(answer)
                return
            self.frozen += 1
            with self.path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(self._row(answer), ensure_ascii=False) + "\n")

    def _row(self, answer: TeacherVerdict) -> dict[str, Any]:
        question, teacher = self.questions[answer.row_id], self.teacher
        place = {"split": question.split, "group": question.group}
        return {
            "id": question.id,
            "input": dict(question.inputs),
            "label": answer.label,
            **{key: value for key, value in place.items() if value is not None},
            "teacher": {
                "teacher": teacher.name,
                "model": teacher.model,
                "prompt_hash": teacher.prompt_hash,
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "cost_usd": answer.cost_usd,
                "latency_s": answer.latency_s,
            },
        }


def outstanding(gold: Path, questions: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that have no verdict in the gold yet.

    Raises:
        DataError: If a row was frozen with another input under the same id.
    """
    known = {row.id: row for row in read_corpus(gold, require_ids=True).rows} if gold.exists() else {}
    for question in questions:
        frozen = known.get(question.id)
        if frozen is not None and canonical(dict(frozen.inputs)) != canonical(dict(question.inputs)):
            raise DataError(
                f"{gold}: row {question.id!r} was frozen with another input than it has now",
                hint="give the new input an id of its own, or remove the row from the gold",
            )
    return tuple(question for question in questions if question.id not in known)


def freeze(teacher: Teacher, questions: Sequence[Row], gold: Path, mask: Callable[[str], str] = str) -> Freezing:
    """Ask the teacher about every row that has no verdict yet and add the verdicts to the gold file.

    A verdict is on disk as soon as it is given. Failures go to ``GOLD.failed.jsonl`` and are asked again next time. At
    the end the gold is in the order of the questions, after rows that are not among them.

    Raises:
        DataError: If a frozen row has another input now.
        OutputError: If a file cannot be written.
    """
    asked = outstanding(gold, questions)
    file = _GoldFile(gold, teacher, {row.id: row for row in asked})
    try:
        gold.parent.mkdir(parents=True, exist_ok=True)
        try:
            if asked:
                teacher.ask(asked, file.take, gold.with_name(gold.name + ".asked"))
        finally:
            failed = tuple((a.row_id, mask(a.error or "")[:ERROR_CHARS]) for a in file.failed)
            _write_failures(gold.with_name(gold.name + ".failed.jsonl"), failed, teacher)
        _in_order(gold, questions)
    except OSError as error:
        raise OutputError(f"{gold}: cannot be written: {error.strerror}") from None
    return Freezing(len(questions) - len(asked), file.frozen, failed)


def _write_failures(path: Path, failed: Sequence[tuple[str, str]], teacher: Teacher) -> None:
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    lines = [
        json.dumps({"id": i, "status": "failed", "error": e, "teacher": teacher.name, "at": at}, ensure_ascii=False)
        for i, e in sorted(failed)
    ]
    if lines:
        path.write_text("\n".join(lines) + "\n", "utf-8")
    else:
        path.unlink(missing_ok=True)


def _in_order(gold: Path, questions: Sequence[Row]) -> None:
    """Rewrite the gold in the order of the questions, so that threads do not decide which row is which."""
    if not gold.exists():
        return
    place = {question.id: index for index, question in enumerate(questions)}
    lines = [line for line in gold.read_text("utf-8").split("\n") if line.strip()]
    ids = {line: (item := json.loads(line)).get("scenarioId", item.get("id")) for line in lines}
    ordered = sorted(lines, key=lambda line: place.get(str(ids[line]), -1))
    if ordered != lines:
        beside = gold.with_name(gold.name + ".new")
        beside.write_text("\n".join(ordered) + "\n", "utf-8")
        beside.replace(gold)


def teacher_facts(rows: Iterable[Row]) -> TeacherFacts:
    """Gather the provenance that freezing a teacher's verdicts left in the gold."""
    known = [row.meta["teacher"] for row in rows if isinstance(row.meta.get("teacher"), dict)]
    names = {f"{k.get('teacher')} ({k['model']})" if k.get("model") else str(k.get("teacher")) for k in known}
    return TeacherFacts(
        tuple(sorted(names)),
        len(known),
        _mean([k.get("cost_usd") for k in known]),
        _mean([k.get("latency_s") for k in known]),
    )


def _mean(values: list[object]) -> float | None:
    numbers = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(values) else None
