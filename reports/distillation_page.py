"""What a distillation adds to a run's report: how true the student is to its teacher, and what it saves."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.economy import Distillation, Transfer
from core.evaluation import Evaluation
from core.optimization import Optimization
from core.plain import canonical
from core.verdict import Decision
from reports.blocks import Block, Bullets, Facts, Heading, Paragraph, Table, shorten
from stats import t_interval, wilson

PATTERNS, EXAMPLES, VALUE_CHARS = 25, 3, 80
NOTHING = "(nothing)"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Pattern:
    """One way in which the student differs: what the teacher said, what the student said, and in which rows."""

    field: str
    gold: str
    produced: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Economy:
    """Dollars and seconds of one verdict, measured; None is unknown.

    ``break_even`` is how many verdicts repay the tuning; None when that is unknown, infinite when it never happens.
    """

    teacher_cost: float | None
    student_cost: float | None
    teacher_latency: float | None
    student_latency: float | None
    tuning_cost: float | None
    break_even: float | None


def judged(o: Optimization) -> Evaluation:
    """What speaks for the student: the winner on the holdout, or the seed on dev where the holdout is closed."""
    return o.holdout_candidate or o.dev_baseline


def patterns(evaluation: Evaluation) -> tuple[Pattern, ...]:
    """Disagreements by field and (gold -> produced), most frequent first; lists are compared element by element."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in evaluation.scored:
        for name in (n for n, score in row.fields.items() if score < 1.0):
            for gold, produced in _pairs(row.gold.get(name), row.prediction.get(name)):
                found[name, gold, produced].append(row.row_id)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(Pattern(*key, tuple(rows)) for key, rows in ordered)


def _pairs(gold: Any, produced: Any) -> list[tuple[str, str]]:
    if not (isinstance(gold, list) or isinstance(produced, list)):
        return [(_show(gold), _show(produced))]
    left, right = _elements(gold), _elements(produced)
    missing = [(_show(left[key]), NOTHING) for key in sorted(left.keys() - right.keys())]
    return missing + [(NOTHING, _show(right[key])) for key in sorted(right.keys() - left.keys())]


def _elements(value: Any) -> dict[str, Any]:
    items = value if isinstance(value, list) else [] if value is None else [value]
    return {canonical(item): item for item in items}


def _show(value: Any) -> str:
    if value is None:
        return NOTHING
    return shorten(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), VALUE_CHARS)


def economy(o: Optimization, d: Distillation) -> Economy:
    """Measured prices of teacher, student and tuning.

    Tuning is what this run paid: answers that other runs had paid for are not in it. Break-even is
    ``ceil(tuning / (teacher - student))``.
    """
    rows = judged(o).scored
    cost, latency = student_price(judged(o)), sum(row.latency for row in rows) / len(rows) if rows else None
    teacher, tuning = d.teacher.cost, o.total_usage.cost_usd
    even: float | None = None
    if teacher is not None and cost is not None and tuning is not None:
        saved = teacher - cost
        even = math.ceil(tuning / saved) if saved > 0 else math.inf
    return Economy(teacher, cost, d.teacher.latency, latency, tuning, even)


def student_price(evaluation: Evaluation) -> float | None:
    """Mean dollars of one verdict, at what its answers cost when they were first given; None when any is unknown."""
    values = [row.worth.cost_usd for row in evaluation.scored]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def agreement_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % interval of a mean agreement: Wilson's for values of 0 and 1, Student's, cut to [0, 1], for others.

    None where values do not vary or are too few for the latter.
    """
    if not values:
        return None
    if set(values) <= {0.0, 1.0}:
        found = wilson(round(sum(values)), len(values))
    elif len(values) > 1 and len(set(values)) > 1:
        found = t_interval(values)
    else:
        return None
    return max(0.0, found.low), min(1.0, found.high)


def distillation_blocks(o: Optimization, d: Distillation) -> list[Block]:
    """The sections of a distillation."""
    return [*_kept(o), *_differences(o), *_savings(o, d), *_transfers(o, d.transfers)]


def _kept(o: Optimization) -> list[Block]:
    evaluation, opened = judged(o), o.holdout_candidate is not None
    scores = [row.score for row in evaluation.scored if row.score is not None]
    where = "unseen rows" if opened else "dev rows; the holdout stayed closed"
    before = o.holdout_baseline.mean if o.holdout_baseline else None
    sentence = (
        f"Agreement with the teacher: {_share(evaluation.mean)} "
        f"({_between(agreement_interval(scores))}) on {len(scores)} {where}."
    )
    if opened:
        sentence += f" With the prompt before tuning it was {_share(before)}."
    rows = []
    means, earlier = evaluation.field_means(), o.holdout_baseline.field_means() if o.holdout_baseline else {}
    for name, mean in means.items():
        values = [row.fields[name] for row in evaluation.scored if name in row.fields]
        rows.append((name, _share(earlier.get(name)), _share(mean), _between(agreement_interval(values))))
    head = ("field", "before", "student", "95 % interval")
    return [
        Heading("Distillation: the student and its teacher"),
        Paragraph(sentence),
        Table(head, tuple(rows), (1, 2, 3)),
    ]


def _differences(o: Optimization) -> list[Block]:
    found = patterns(judged(o))
    heading = Heading("Where the student still differs")
    if not found:
        return [heading, Paragraph("Nowhere: every verdict is the teacher's.")]
    rows = tuple(
        (p.field, p.gold, p.produced, str(len(p.rows)), ", ".join(p.rows[:EXAMPLES])) for p in found[:PATTERNS]
    )
    blocks: list[Block] = [heading, Table(("field", "teacher", "student", "rows", "such as"), rows, (3,))]
    if len(found) > PATTERNS:
        blocks.append(Paragraph(f"{len(found) - PATTERNS} rarer patterns are left out."))
    return blocks


def _savings(o: Optimization, d: Distillation) -> list[Block]:
    e = economy(o, d)
    cost_saved = None if e.teacher_cost is None or e.student_cost is None else e.teacher_cost - e.student_cost
    time_saved = (
        None if e.teacher_latency is None or e.student_latency is None else e.teacher_latency - e.student_latency
    )
    table = Table(
        ("per 1000 verdicts", "teacher", "student", "saved"),
        (
            (
                "nominal money" if o.nominal else "money",
                _dollars(e.teacher_cost, 1000),
                _dollars(e.student_cost, 1000),
                _dollars(cost_saved, 1000),
            ),
            ("minutes, one at a time", *(_minutes(v) for v in (e.teacher_latency, e.student_latency, time_saved))),
        ),
        (1, 2, 3),
    )
    facts = Facts(
        (
            ("teacher", ", ".join(d.teacher.names) or UNKNOWN),
            ("verdicts with a measured teacher", str(d.teacher.rows)),
            ("nominal tuning cost" if o.nominal else "tuning cost of this run", _dollars(e.tuning_cost)),
            ("verdicts that repay the tuning", even_text(e.break_even)),
        )
    )
    notes = []
    if not d.teacher.rows:
        notes.append("What the teacher cost is not in the gold; ask it with --teacher to measure it.")
    if o.total_usage.hits:
        notes.append(
            f"{o.total_usage.hits:,} answers came from the cache and are free: tuning counts only what this run paid."
        )
    return [Heading("What it saves"), table, facts, *([Bullets(tuple(notes))] if notes else [])]


def even_text(value: float | None) -> str:
    """A break-even count in words."""
    return UNKNOWN if value is None else "never: the student is not cheaper" if math.isinf(value) else f"{value:,.0f}"


def _transfers(o: Optimization, transfers: Sequence[Transfer]) -> list[Block]:
    if not transfers:
        return []
    rows = [_transfer_row(f"{o.params.get('student', 'student')} (tuned for)", o.holdout_candidate, "not opened")]
    rows += [_transfer_row(t.model, t.evaluation, t.reason) for t in transfers]
    return [
        Heading("The same prompt on other models"),
        Paragraph(
            "On the same holdout rows. Measured only: nothing was tuned for these models, and nothing is proven."
        ),
        Table(
            (
                "model",
                "agreement",
                "95 % interval",
                f"{'nominal ' if o.nominal else ''}money per 1000",
                "seconds per verdict",
                "failed",
                "",
            ),
            tuple(rows),
            (1, 2, 3, 4, 5),
        ),
    ]


def _transfer_row(model: str, evaluation: Evaluation | None, reason: str) -> tuple[str, ...]:
    if evaluation is None:
        return (model, "-", "-", "-", "-", "-", shorten(reason, 160))
    scores = [row.score for row in evaluation.scored if row.score is not None]
    seconds = sum(row.latency for row in evaluation.rows) / len(evaluation.rows)
    failed = len(evaluation.rows) - len(scores)
    interval = _between(agreement_interval(scores))
    price = _dollars(student_price(evaluation), 1000)
    return (model, _share(evaluation.mean), interval, price, f"{seconds:.3g}", str(failed), "")


def closing_lines(o: Optimization, workspace: str | None) -> list[str]:
    """The end of the command: winner, agreement before and after, decision and reasons, what to type next."""
    winner, before, after = o.candidates[o.winner_index], o.holdout_baseline, o.holdout_candidate
    lines = [f"winner     #{winner.index} ({winner.found}), prompt {o.winner.hash}"]
    if before is not None and after is not None:
        lines.append(
            f"agreement  {_share(before.mean)} -> {_share(after.mean)} on {len(after.rows)} holdout rows"
            + (f" ({after.mean - before.mean:+.4f})" if before.mean is not None and after.mean is not None else "")
        )
    else:
        lines.append(f"agreement  {_share(o.dev_baseline.mean)} on dev; the holdout stayed closed")
    lines.append(f"decision   {o.verdict.decision.value}")
    lines += [f"           {reason}" for reason in o.verdict.reasons]
    export, promote = closing_commands(o, workspace)
    if o.verdict.decision is not Decision.PROMOTE:
        lines.append("           not proven; the commands below need --force, and the record will say so")
    return [*lines, f"export     {export}", f"promote    {promote}"]


def closing_commands(o: Optimization, workspace: str | None) -> tuple[str, str]:
    """The commands that take this run's prompt further."""
    tail = f" --run {o.run_id}"
    tail += "" if o.verdict.decision is Decision.PROMOTE else " --force"
    tail += f" --workspace {workspace}" if workspace else ""
    return f"python cli.py export {o.task} --out {o.task}.txt{tail}", f"python cli.py promote {o.task}{tail}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _between(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _dollars(value: float | None, times: int = 1) -> str:
    return UNKNOWN if value is None else f"${value * times:,.4f}"


def _minutes(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds * 1000 / 60:,.2f}"
