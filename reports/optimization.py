"""The report of one ``optimize`` run: verdict first, then the evidence, then the details."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from core.economy import Distillation
from core.evaluation import Evaluation, RowStatus
from core.optimization import LeftOut, Optimization
from core.verdict import Decision, Evidence
from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Commands,
    Confusion,
    Facts,
    FullText,
    Heading,
    IntervalChart,
    MoveChart,
    Paragraph,
    Report,
    Table,
    shorten,
)
from reports.costs import cost_blocks, price_of
from reports.deciding import banner_sentence, recommended
from reports.distillation_page import distillation_blocks
from reports.numbers import beside, dollars, measure
from reports.rows import row_table
from reports.search import search_blocks, winners_changes

TONES = {Decision.PROMOTE: "good", Decision.HOLD: "bad", Decision.INCONCLUSIVE: "open"}
DIFF_LINES, LINE_CHARS, PROMPT_CHARS = 400, 600, 60_000
KINDS = {"gain": "better", "loss": "worse", "same": "the same", "no score": "without a score"}
OFFLINE = (
    "These answers come from the embedded offline stand-in, a small rule learner, not from a language model. Search, "
    "holdout and gate are real; the scores say nothing about any language model{money}."
)
NOMINAL = ", and money is nominal"


def optimization_report(
    o: Optimization,
    *,
    links: Mapping[str, str] | None = None,
    distillation: Distillation | None = None,
    workspace: str | None = None,
) -> Report:
    """Build the blocks of a run's report, with the sections of a distillation when it was one.

    The commands to type next name ``workspace`` where it is not the folder that one is in.
    """
    blocks: list[Block] = [
        Banner(o.verdict.decision.value, banner_sentence(o), TONES[o.verdict.decision]),
        *_move(o),
        Paragraph(_price(o)),
        *(
            [Banner("Offline stand-in", OFFLINE.format(money=NOMINAL if o.nominal else ""), "note")]
            if o.offline
            else []
        ),
        *_next(o, f" --workspace {workspace}" if workspace else ""),
        *_evidence(o),
        *(distillation_blocks(o, distillation) if distillation else []),
        *_left_out(o),
        *search_blocks(o),
        *_prompts(o),
        *_fields(o),
        *_beside(o),
        *_rows(o),
        *cost_blocks(o),
        *_failures(o),
        *_provenance(o),
    ]
    return Report(f"{o.task}: {o.optimizer}", tuple(blocks), dict(links or {}))


def _move(o: Optimization) -> list[Block]:
    """Both scores on one axis, right below the verdict."""
    evidence = o.verdict.evidence
    if evidence is None:
        return []
    low, high = (None if end is None else _score_at(evidence.baseline + end) for end in (evidence.low, evidence.high))
    return [MoveChart((("holdout score", evidence.baseline, evidence.candidate, low, high),))]


def _price(o: Optimization) -> str:
    """What the run has paid, and what a thousand rows cost with either prompt."""
    nominal = "nominal " if o.nominal else ""
    said = f"This run cost {nominal}{dollars(o.total_usage.cost_usd)} and took {o.seconds:.1f} s."
    before, after = price_of(o.holdout_baseline), price_of(o.holdout_candidate)
    if after is None:
        return said
    return f"{said} 1,000 rows cost {nominal}{dollars(after)} with the tuned prompt, {dollars(before)} before."


def _score_at(value: float) -> float:
    """The nearest score that there can be."""
    return min(1.0, max(0.0, value))


def number(value: float | None, digits: int = 3) -> str:
    """A score for people; unknown is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "-" if value is None else f"{value:+.3f}"


def _next(o: Optimization, place: str) -> list[Block]:
    base = o.params.get("baseline", "seed")
    command, why = recommended(o)
    lines = [(command, why), (f"python cli.py diff {o.task} {base} {o.run_id}", "read what changed")]
    if o.verdict.decision is Decision.PROMOTE:
        lines.append((f"python cli.py export {o.task} --format messages --out prompt.json", "take it into production"))
    lines.append((f"python cli.py report {o.task}", "see all runs of this task on one page"))
    unique = dict(lines)
    return [Heading("Next"), Commands(tuple((command + place, why) for command, why in unique.items()))]


def _left_out(o: Optimization) -> list[Block]:
    if not o.left_out:
        return []
    gained = [part for part in o.left_out if part.low is not None and part.low > 0]
    lost = [part for part in o.left_out if part.high is not None and part.high < 0]
    rows = tuple(
        (part.kind, str(part.n), number(part.before), number(part.after), _difference(part))
        if part.changed
        else (part.kind, str(part.n), number(part.before), "-", "nothing beat the baseline")
        for part in o.left_out
    )
    sentence = (
        "The search once more without each kind of rows; what it found is tried on the rows that it never saw, outside "
        f"the holdout. Shown to gain: {len(gained)} of {len(o.left_out)}; shown to lose: {len(lost)}. "
        "Nothing is decided by this."
    )
    return [
        Heading("On kinds of rows that the search never saw"),
        Paragraph(sentence),
        Table(("left out", "rows", "baseline", "tuned", "difference, 95 % interval"), rows, numeric=(1, 2, 3)),
    ]


def _difference(part: LeftOut) -> str:
    if part.before is None or part.after is None:
        return "-"
    ends = "" if part.low is None or part.high is None else f" ({signed(part.low)} to {signed(part.high)})"
    return signed(part.after - part.before) + ends


def _evidence(o: Optimization) -> list[Block]:
    evidence = o.verdict.evidence
    said = {f"[{check.name}] {check.message}" for check in o.verdict.checks}
    reasons = tuple(reason for reason in o.verdict.reasons if reason not in said)
    blocks: list[Block] = [Heading("Evidence"), *([Bullets(reasons)] if reasons else [])]
    if evidence is not None:
        if evidence.low is not None and evidence.high is not None:
            lifts = [("lift", evidence.delta, evidence.low, evidence.high)]
            if evidence.delta_adjusted is not None and evidence.delta_adjusted > evidence.margin:
                low, high = evidence.adjusted_low or 0.0, evidence.adjusted_high or 0.0
                lifts.append(("lift, adjusted", evidence.delta_adjusted, low, high))
            blocks.append(IntervalChart(tuple(lifts), evidence.margin))
        blocks.append(
            Facts(
                (
                    ("holdout rows", str(evidence.n)),
                    ("better / worse / equal rows", f"{evidence.wins} / {evidence.losses} / {evidence.ties}"),
                    ("smallest lift these rows can show (80 % power)", number(evidence.mde)),
                )
            )
        )
    if o.verdict.checks:
        rows = tuple((c.name, c.status.value.replace("_", " "), c.message) for c in o.verdict.checks)
        blocks.append(Table(("check", "outcome", "why"), rows))
    if evidence is not None:
        blocks.append(_decided(evidence))
    return blocks


def _decided(evidence: Evidence) -> Facts:
    """The terms of the trade, for those who ask."""
    return Facts(
        (
            ("method", evidence.method),
            ("p value (one-sided)", "-" if evidence.p_value is None else f"{evidence.p_value:.2g}"),
            (
                "level",
                f"{evidence.alpha:.4g}: opening {evidence.opening} of this holdout, and each further look at the same "
                "rows is judged more strictly",
            ),
            (
                "adjusted",
                "a lift that was picked because it is large looks larger than it is; the adjusted one allows for that",
            ),
        ),
        "How was this decided?",
    )


def _prompts(o: Optimization) -> list[Block]:
    blocks: list[Block] = [Heading("What changed in the prompt")]
    whole = {prompt.predictor: prompt.text for prompt in o.winner.prompts}
    for predictor, diff in winners_changes(o.baseline, o.winner, DIFF_LINES, LINE_CHARS):
        if all(mark == " " for mark, _ in diff.lines):
            blocks.append(Paragraph(f"{predictor}: unchanged."))
        else:
            blocks.append(diff)
        blocks.append(FullText(f"{predictor}: the whole tuned prompt", shorten(whole[predictor], PROMPT_CHARS)))
    return blocks


def _fields(o: Optimization) -> list[Block]:
    evidence = o.verdict.evidence
    if evidence is None or not evidence.fields:
        return []
    rows = tuple(
        (name, number(before), number(after), signed(after - before), f"{signed(low)} to {signed(high)}")
        for name, (before, after, low, high) in evidence.fields.items()
    )
    moves = tuple(
        (name, before, after, _score_at(before + low), _score_at(before + high))
        for name, (before, after, low, high) in evidence.fields.items()
    )
    blocks: list[Block] = [
        Heading("Field by field, on the holdout"),
        Table(("field", "before", "tuned", "change", "interval"), rows, (1, 2, 3, 4)),
        MoveChart(moves),
    ]
    if o.holdout_baseline is not None and o.holdout_candidate is not None:
        for name, labels in o.categorical.items():
            if len(labels) <= 15:
                blocks.append(
                    Confusion(
                        name,
                        labels,
                        _confusion(o.holdout_baseline, name, labels),
                        _confusion(o.holdout_candidate, name, labels),
                    )
                )
    return blocks


def _beside(o: Optimization) -> list[Block]:
    """Means of what stands beside a judge's score, for both prompts."""
    if o.holdout_baseline is None or o.holdout_candidate is None:
        return []
    before, after = o.holdout_baseline.companion_means(), o.holdout_candidate.companion_means()
    rows = tuple((beside(name), measure(before.get(name)), measure(after.get(name))) for name in {**before, **after})
    if not rows:
        return []
    return [Heading("Beside the judge, on the holdout"), Table(("measure", "before", "tuned"), rows, (1, 2))]


def _confusion(evaluation: Evaluation, name: str, labels: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    counts = Counter((str(r.gold.get(name)), str(r.prediction.get(name))) for r in evaluation.scored)
    return tuple(tuple(counts[gold, produced] for produced in labels) for gold in labels)


def _rows(o: Optimization) -> list[Block]:
    if o.holdout_baseline is None or o.holdout_candidate is None:
        return []
    table = row_table(o.holdout_baseline, o.holdout_candidate)
    counts = Counter(row.kind for row in table.rows)
    told = ", ".join(f"{counts[kind]} {word}" for kind, word in KINDS.items() if counts[kind])
    what = "Largest changes first; filter by gain, loss or same, or by any word of a row."
    return [Heading("Every holdout row"), Paragraph(f"{told}. {what}"), table]


def _failures(o: Optimization) -> list[Block]:
    rows = []
    for name, evaluation in (
        ("dev, before", o.dev_baseline),
        ("holdout, before", o.holdout_baseline),
        ("holdout, tuned", o.holdout_candidate),
    ):
        if evaluation is None:
            continue
        for status in RowStatus:
            count = evaluation.count(status)
            if status is not RowStatus.OK and count:
                errors = Counter(r.error or "" for r in evaluation.rows if r.status is status)
                rows.append((name, status.value, str(count), shorten(errors.most_common(1)[0][0], 200)))
    blocks: list[Block] = []
    if rows:
        blocks += [
            Heading("Rows without a score"),
            Table(("where", "status", "rows", "most frequent error"), tuple(rows), (2,)),
        ]
    if o.warnings:
        blocks += [Heading("Worth knowing"), Bullets(o.warnings)]
    return blocks


def _provenance(o: Optimization) -> list[Block]:
    splits = o.splits
    items = [
        ("run", o.run_id),
        ("started", o.started_at),
        ("rows", f"{splits.train} train, {splits.dev} dev, {splits.holdout} holdout"),
        ("data fingerprint", splits.fingerprint),
        ("holdout fingerprint", splits.holdout_fingerprint),
        ("schema hash", o.schema_hash),
        ("prompt hash", f"{o.baseline.hash} -> {o.winner.hash}"),
    ]
    items += [(key, value) for key, value in o.params.items() if key not in ("task",) and not key.startswith("n_")]
    return [Heading("Provenance"), Facts(tuple(items), "Everything that this run can be told by")]
