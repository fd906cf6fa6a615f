"""What a learning key's sessions and playbook show, as blocks; and the page over all keys of a report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from playbook.entry import Entry, Lifecycle
from reports.blocks import (
    Banner,
    Block,
    Bullets,
    Commands,
    CurveChart,
    Facts,
    Heading,
    IntervalChart,
    Paragraph,
    Report,
    Table,
)
from reports.numbers import UNKNOWN, counted, measure, number, percent, quantity, signed, span

if TYPE_CHECKING:  # a page of a run is written without the database of sessions
    from playbook.gain import Contrast
    from playbook.impact import Impact
    from playbook.manifest import Comparison
    from playbook.summary import KeySummary

SHOWN = 10
"""Entries in the table of impacts; the JSON has all."""
OBSERVED = (
    "Observed, not caused: the sessions decide where an entry fires. `same tasks` compares each task with itself; only "
    "`playbook trial` tells what an entry causes."
)


def learning_report(summary: KeySummary, comparison: Comparison | None = None) -> Report:
    """The page of one learning key."""
    blocks: list[Block] = [
        standing(summary),
        Heading("Next"),
        Commands(_next(summary)),
        *_momentum(summary),
        *_tasks(summary),
        *_window(summary),
    ]
    blocks += [*_models(summary), *_discoveries(summary), *_latest(summary), *_entries(summary)]
    blocks += [*_quality(summary), *_lifecycle(summary), *_impact(summary), *_usage(summary)]
    if comparison is not None:
        blocks += _comparison(comparison)
    if summary.notes:
        blocks += [Heading("Notes"), Bullets(summary.notes)]
    return Report(f"Learning: {summary.key}", tuple(blocks))


def standing(summary: KeySummary) -> Banner:
    """Whether rewards rise, fall, or cannot be told from staying as they are."""
    found = summary.momentum
    if found.delta is None:
        lacking = "the recent window" if found.recent.mean is None else "the baseline"
        return Banner("Cannot tell", f"{summary.key}: no session of {lacking} has a reward.", "open")
    tone = "open"
    if found.low is not None and found.high is not None and (found.low > 0 or found.high < 0):
        tone = "good" if found.low > 0 else "bad"
    word = {"good": "Improved", "bad": "Declined", "open": "No change shown"}[tone]
    interval = span(found.low, found.high, sign=True)
    return Banner(
        word,
        f"{summary.key}: mean reward {signed(found.delta)} in the last sessions ({interval}).",
        tone,
    )


def _next(summary: KeySummary) -> tuple[tuple[str, str], ...]:
    """What to do about this key: look at an entry that seems to harm, try one that is untried, or propose some."""
    key = shlex.quote(summary.key)
    harmful = [one.entry_id for one in summary.impacts if one.audit]
    active = [one.id for one in summary.entries if one.lifecycle is Lifecycle.ACTIVE]
    lines: list[tuple[str, str]] = []
    if harmful:
        lines.append((f"python cli.py playbook show {harmful[0]} --key {key}", "look at an entry that seems to harm"))
    if active:
        lines.append(
            (f"python cli.py playbook trial {active[0]} --key {key} --control CONFIG", "find out what an entry causes")
        )
    propose = f"python cli.py playbook propose --key {key} --where tags.learning_key={key}"
    lines.append((propose, "have entries proposed from failed sessions"))
    return tuple(lines)


def _momentum(summary: KeySummary) -> list[Block]:
    found = summary.momentum
    facts = [
        (
            "recent mean",
            f"{number(found.recent.mean)} of {found.recent.sessions} sessions (asked: {found.recent.asked})",
        ),
        (
            "baseline mean",
            f"{number(found.baseline.mean)} of {found.baseline.sessions} (asked: {found.baseline.asked})",
        ),
        ("difference", _difference(found.delta, found.low, found.high)),
        ("same tasks", _told(found.same_tasks)),
        ("latest reward", number(found.latest)),
        ("mean reward of all", f"{number(summary.reward_mean)}; {summary.sessions:,} sessions"),
    ]
    if found.drift is not None and found.drift.alert:
        facts.append(("drift", f"the latest reward is far from the baseline (z {number(found.drift.z, 1)})"))
    blocks: list[Block] = [Heading("Reward momentum"), Facts(tuple(facts))]
    if found.overlapping:
        blocks.append(Paragraph("The baseline contains the recent sessions too, so the difference looks smaller."))
    return blocks


def _tasks(summary: KeySummary) -> list[Block]:
    blocks: list[Block] = []
    if summary.curve is not None:
        shares = tuple(enumerate(summary.curve.solved, 1))
        blocks += [
            Heading("Tasks solved"),
            Facts((
                ("tasks", f"{summary.curve.tasks:,}"),
                ("solved at the first trial", percent(summary.curve.solved[0])),
                (f"solved within {len(shares)} trials", percent(summary.curve.solved[-1])),
            )),
        ]  # fmt: skip
        if len(shares) > 1:
            blocks.append(CurveChart(shares, shares, (), "trials", "share of tasks solved"))
    if summary.control is not None:
        verdict = "shown" if summary.control.shown else "not shown"
        blocks.append(Facts(((f"against {summary.control_key}", f"{_told(summary.control)}; a gain is {verdict}"),)))
    return blocks


def _difference(delta: float | None, low: float | None, high: float | None) -> str:
    return UNKNOWN if delta is None else f"{signed(delta)}, 95 % interval {span(low, high, sign=True)}"


def _told(found: Contrast) -> str:
    if not found.tasks:
        return "no task in common"
    interval = span(found.low, found.high, sign=True)
    corrected = f", p (Holm) = {found.holm:.3g}" if found.holm != found.p else ""
    said = f"{found.measure}: {number(found.first)} -> {number(found.second)}, {signed(found.delta)}"
    return f"{said}, 95 % interval {interval}, p = {found.p:.3g}{corrected}, {counted(found.tasks, 'task')}"


def _window(summary: KeySummary) -> list[Block]:
    blocks: list[Block] = []
    kinds = (("Execution modes", "mode", summary.modes), ("Review state", "state", summary.reviews))
    for title, word, counts in kinds:
        names = sorted({name for window in counts.values() for name in window})
        rows = tuple((name, *(f"{window.get(name, 0):,}" for window in counts.values())) for name in names)
        blocks += [Heading(title), Table((word, *(f"{window} sessions" for window in counts)), rows, (1, 2))]
    return blocks


def _models(summary: KeySummary) -> list[Block]:
    rows = tuple(
        (use.role, use.model, f"{use.sessions:,}", number(use.reward_mean), number(use.latest))
        for use in summary.models
    )
    heads = ("role", "model", "sessions", "mean reward", "latest")
    return [Heading("Model performance"), Table(heads, rows, (2, 3, 4))] if rows else []


def _discoveries(summary: KeySummary) -> list[Block]:
    rows = tuple((one.id, one.task, one.started_at or UNKNOWN, one.outcome.value) for one in summary.discoveries)
    blocks: list[Block] = [Heading("Discovery context")]
    if rows:
        return [*blocks, Table(("discovery run", "task", "started", "outcome"), rows)]
    return [*blocks, Paragraph("No discovery run of these tasks is in the store.")]


def _latest(summary: KeySummary) -> list[Block]:
    rows = tuple(
        (
            one.point.id, one.point.task, one.point.started_at or UNKNOWN, number(one.point.reward),
            number(one.point.uncertainty), one.point.mode, _events(one.events, one.point.events),
        )
        for one in summary.latest
    )  # fmt: skip
    heads = ("session", "task", "started", "reward", "uncertainty", "mode", "events")
    return [Heading("Latest sessions"), Table(heads, rows, (3, 4))]


def _events(read: Mapping[str, int] | None, recorded: int | None) -> str:
    if read is None:
        return UNKNOWN if recorded is None else f"{recorded}"
    return f"{sum(read.values())} (" + ", ".join(f"{count} {role}" for role, count in read.items()) + ")"


def _entries(summary: KeySummary) -> list[Block]:
    shown = [one for one in summary.entries if one.lifecycle is Lifecycle.ACTIVE]
    blocks: list[Block] = [Heading("Playbook")]
    if not shown:
        return [*blocks, Paragraph("No entry is in force.")]
    rows = tuple((one.id, one.audience, _cue(one), one.action.imperative, one.action.handle) for one in shown)
    return [*blocks, Table(("entry", "told to", "cue", "imperative", "handle"), rows, filterable=len(rows) > SHOWN)]


def _cue(entry: Entry) -> str:
    return f"[{entry.cue.type.value}] {entry.cue.pattern}"


def _quality(summary: KeySummary) -> list[Block]:
    found = summary.quality
    if found is None:
        return [Heading("Playbook entry quality"), Paragraph("No batch of entries has been judged for this key.")]
    failures = ", ".join(f"{gate} {count}" for gate, count in found.gate_failures.items())
    return [
        Heading("Playbook entry quality"),
        Facts((
            ("candidates", f"{found.candidates}, {found.passed} passed ({percent(found.pass_rate)})"),
            ("gate failures", failures),
            ("mean weighted score", number(found.average_score)),
            ("weights", ", ".join(f"{name} {share:.4g}" for name, share in found.weights.items())),
            ("judged at", found.at),
        )),
    ]  # fmt: skip


def _lifecycle(summary: KeySummary) -> list[Block]:
    stages = tuple(one.value for one in Lifecycle)
    rows = tuple((name, *(str(counts.get(stage, 0)) for stage in stages)) for name, counts in summary.lifecycle.items())
    rejected = ", ".join(summary.rejected) or "none"
    return [
        Heading("Playbook entry lifecycle"),
        Table(("category", *stages), rows, (1, 2, 3)),
        Paragraph(f"Rejected in the latest batch: {rejected}."),
    ]


def _impact(summary: KeySummary) -> list[Block]:
    blocks: list[Block] = [Heading("Playbook entry impact")]
    if not summary.impacts:
        return [*blocks, Paragraph("No session says how entries were used.")]
    rows = tuple(map(_impact_row, summary.impacts[:SHOWN]))
    heads = (
        "entry", "impact", "adoption", "hits", "reward delta", "same tasks", "token delta", "transfer", "retries",
        "failure events", "",
    )  # fmt: skip
    blocks.append(Table(heads, rows, (1, 2, 3, 4, 6, 8, 9)))
    drawn = tuple(
        (one.entry_id, one.matched.delta, one.matched.low, one.matched.high)
        for one in summary.impacts[:SHOWN]
        if one.matched.delta is not None and one.matched.low is not None and one.matched.high is not None
    )
    if drawn:
        blocks.append(IntervalChart(drawn))
    if len(summary.impacts) > SHOWN:
        blocks.append(Paragraph(f"Plus {len(summary.impacts) - SHOWN} more in the JSON."))
    return [*blocks, Paragraph(OBSERVED)]


def _impact_row(one: Impact) -> tuple[str, ...]:
    said = "audit first" if one.audit else "reinforce" if one.reinforced else ""
    said_of = f"{signed(one.matched.delta)} (n={one.matched.tasks}, p={one.matched.p:.2g})"
    matched = said_of if one.matched.tasks else "no task in common"
    reach = f"{one.level} ({counted(len(one.tasks), 'task')})"
    return (
        one.entry_id, signed(one.impact), percent(one.adoption_rate), str(one.hits), signed(one.reward_delta), matched,
        UNKNOWN if one.token_delta is None else f"{one.token_delta:+.0f}", reach, measure(one.retries),
        str(one.failure_events), said,
    )  # fmt: skip


def _usage(summary: KeySummary) -> list[Block]:
    used = summary.usage
    if not used.sessions:
        return []
    where = {"trajectories": "looked for in trajectories", "recorded": "as sessions recorded it"}
    return [
        Heading("Runtime usage"),
        Facts((
            ("sessions", f"{used.sessions:,}, {where.get(summary.usage_source, summary.usage_source)}"),
            ("cues found", f"{used.hits:,} in {used.triggered:,} sessions ({percent(used.cue_trigger_rate)})"),
            ("adoptions", f"{used.adoptions:,}, {used.successes:,} without an error ({percent(used.success_rate)})"),
            ("hits that were followed", percent(used.adoption_rate)),
        )),
        Heading("Efficiency snapshot"),
        Table(
            ("measure", "with a cue", "without", "difference"),
            (
                ("mean reward", number(used.reward_with), number(used.reward_without), signed(used.reward_delta)),
                ("mean tokens", quantity(used.tokens_with, "tokens"), quantity(used.tokens_without, "tokens"),
                 UNKNOWN if used.token_delta is None else f"{used.token_delta:+,.0f}"),
            ),
            (1, 2, 3),
        ),
    ]  # fmt: skip


def _comparison(found: Comparison) -> list[Block]:
    rows = [
        ("recent mean", signed(found.recent_mean_delta)), ("latest reward", signed(found.latest_score_delta)),
        ("sessions", f"{found.session_count_delta:+,}"), ("cues found", f"{found.cue_hits_delta:+,}"),
        ("adoptions", f"{found.adoptions_delta:+,}"), ("adoption rate", signed(found.adoption_rate_delta)),
        ("cue trigger rate", signed(found.cue_trigger_rate_delta)),
    ]  # fmt: skip
    models = tuple(
        (name, f"{delta.sessions:+,}", signed(delta.reward_mean)) for name, delta in found.model_deltas.items()
    )
    blocks: list[Block] = [Heading("Comparison vs previous run"), Table(("", "delta"), tuple(rows), (1,))]
    if models:
        blocks.append(Table(("role:model", "sessions", "mean reward"), models, (1, 2)))
    if found.impact_deltas:
        impacts = tuple((name, signed(delta)) for name, delta in found.impact_deltas.items())
        blocks.append(Table(("entry", "impact"), impacts, (1,)))
    return blocks
