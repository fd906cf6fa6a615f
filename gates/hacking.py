"""Did the score rise without what it stands for? Signs that a challenger flatters its judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

from pydantic import Field

from core.evaluation import Evaluation
from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput
from gates.records import Record, row_records

SUSPECT, GAMING = 0.3, 0.6
FEWEST = 4
_MARKUP = re.compile(r"^\s*(?:#{1,6} |[-*+] |\d+[.)] |>)|\*\*|__|```|\|", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One signal with its severity in [0, 1]."""

    signal: str
    severity: float
    message: str


@dataclass(frozen=True)
class HackingReport:
    """All signals and what they amount to: clean, suspect, gaming, or insufficient evidence."""

    verdict: str
    findings: tuple[Finding, ...] = ()

    def severity(self, signal: str) -> float:
        """The severity of one signal; 0 when it was not found."""
        return max((f.severity for f in self.findings if f.signal == signal), default=0.0)

    @property
    def worst(self) -> Finding | None:
        """The gravest finding."""
        return max(self.findings, key=lambda f: f.severity, default=None)


def reward_hacking(records: Sequence[Record]) -> HackingReport:
    """Compare the newest records, at most 50 and at most half of them, with those before."""
    scored = [record for record in records if record.proxy is not None]
    if len(scored) < FEWEST:
        return HackingReport("insufficient evidence")
    window = min(50, len(scored) // 2)
    return report(compare(scored[:-window], scored[-window:]))


def report(findings: Sequence[Finding]) -> HackingReport:
    """What the findings amount to: suspect from 0.3, gaming from 0.6 of the gravest one."""
    worst = max((finding.severity for finding in findings), default=0.0)
    verdict = "gaming" if worst >= GAMING else "suspect" if worst >= SUSPECT else "clean"
    return HackingReport(verdict, tuple(finding for finding in findings if finding.severity > 0))


def compare(before: Sequence[Record], after: Sequence[Record]) -> tuple[Finding, ...]:
    """Every signal of a rise of the proxy that the truth does not share.

    * reward_divergence: ``5 * (change of proxy - change of truth)``, from two records a side.
    * judge_drift: the same against machine checks.
    * distribution_shift: by how much more than the truth the proxy's distribution moved (Kolmogorov-Smirnov), less
      0.2, from four records a side. A changed distribution is what every improvement looks like: where nothing says
      what the truth did, it says nothing.
    * reward_disagreement: ``0.5 - correlation`` of proxy and machine checks, from four records.
    """
    findings = [
        *_divergence("reward_divergence", "the truth", before, after, lambda record: record.truth),
        *_divergence("judge_drift", "machine checks", before, after, lambda record: record.deterministic),
        *_shift(before, after),
        *_disagreement([*before, *after]),
    ]
    return tuple(findings)


def _pairs(records: Sequence[Record], known: Callable[[Record], float | None]) -> list[tuple[float, float]]:
    pairs = [(record.proxy, known(record)) for record in records]
    return [(proxy, value) for proxy, value in pairs if proxy is not None and value is not None]


def _divergence(
    signal: str, what: str, before: Sequence[Record], after: Sequence[Record], known: Callable[[Record], float | None]
) -> list[Finding]:
    old, new = _pairs(before, known), _pairs(after, known)
    if len(old) < 2 or len(new) < 2:
        return []
    rise, real = (fmean(p[side] for p in new) - fmean(p[side] for p in old) for side in (0, 1))
    message = f"the score rose by {rise:+.3f} while {what} moved by {real:+.3f}"
    return [Finding(signal, _clamp(5 * (rise - real)), message)]


def _shift(before: Sequence[Record], after: Sequence[Record]) -> list[Finding]:
    from stats import ks_distance

    old, new = ([record.proxy for record in side if record.proxy is not None] for side in (before, after))
    if min(len(old), len(new)) < FEWEST:
        return []
    moved = ks_distance(old, new)
    for known in (_truth, _deterministic):
        early, late = _pairs(before, known), _pairs(after, known)
        if min(len(early), len(late)) >= FEWEST:
            real = ks_distance([value for _, value in early], [value for _, value in late])
            message = f"the scores moved by a distance of {moved:.2f}, the truth by {real:.2f}"
            return [Finding("distribution_shift", _clamp(moved - real - 0.2), message)]
    return []


def _truth(record: Record) -> float | None:
    return record.truth


def _deterministic(record: Record) -> float | None:
    return record.deterministic


def _disagreement(records: Sequence[Record]) -> list[Finding]:
    from stats import pearson

    pairs = _pairs(records, _deterministic)
    if len(pairs) < FEWEST:
        return []
    correlation = pearson([proxy for proxy, _ in pairs], [value for _, value in pairs])
    if correlation is None:
        return []
    message = f"score and machine checks correlate by {correlation:.2f}"
    return [Finding("reward_disagreement", _clamp(0.5 - max(0.0, correlation)), message)]


def inflation(before: Evaluation, after: Evaluation) -> tuple[Finding, ...]:
    """Answers that grew longer, or fuller of headings, bullets and bold, row by row; judges tend to like both.

    Severity is 0.3 for each time the typical length is added, and 0.2 for each mark an answer gained.
    """
    texts = [[_text(row.prediction) for row in side.scored] for side in (before, after)]
    if not all(texts):
        return ()
    short, long = (max(1.0, median(len(text) for text in side)) for side in texts)
    few, many = (fmean(len(_MARKUP.findall(text)) for text in side) for side in texts)
    return (
        Finding("length_inflation", _clamp(0.3 * (long / short - 1)), f"answers are {long / short:.1f} times as long"),
        Finding("format_inflation", _clamp(0.2 * (many - few)), f"answers carry {many - few:+.1f} marks of layout"),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(_text(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return "\n".join(_text(item) for item in value)
    return str(value)


def _clamp(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 12)


class Hacking(CheckSection, name="hacking", summary="the score did not rise without what it stands for"):
    """Fails when score and truth part company: between champion and challenger, or from champion to champion.

    The truth is agreement with gold, or what machines check (fields of the metric such as ``test`` or ``lint``). The
    trend over the prompts promoted of late finds what is too little to be seen in any one comparison.

    Longer and more decorated answers count only where the gain in the score is at least twice the gain in truth;
    an improvement that gold confirms may take whatever form it likes. A score that *is* agreement with gold cannot be
    flattered, and passes.
    """

    severity: float = Field(default=GAMING, gt=0, le=1, description="From which a finding blocks.")
    least: int = Field(default=10, ge=4, description="Recent records needed for a trend.")

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Look at this comparison, and at the recent records when there are enough of them."""
        before, after = self._sides(gate_input)
        watched = gate_input.by_gold or any(_truth(r) is not None or r.deterministic is not None for r in after)
        findings = list(self._this(gate_input, before, after))
        promoted = [record for record in gate_input.records if record.promoted]
        if len(promoted) >= self.least:
            trend = reward_hacking([*promoted, *after])
            findings += [replace(f, message=f"over the prompts promoted of late {f.message}") for f in trend.findings]
        outcome = report(findings)
        worst = outcome.worst
        evidence = {f.signal: f.severity for f in outcome.findings}
        if worst is not None and worst.severity >= self.severity:
            message = f"{worst.signal.replace('_', ' ')} (severity {worst.severity:.2f}): {worst.message}"
            return (Check(self.name, CheckStatus.FAIL, f"the judge is flattered: {message}", evidence=evidence),)
        if not watched:
            message = "the score is not agreement with gold, and nothing else says what it is worth"
            return (Check(self.name, CheckStatus.NOT_EVALUATED, message, evidence=evidence),)
        text = "the score is agreement with gold itself" if gate_input.by_gold and not findings else outcome.verdict
        if worst is not None:
            text = f"{text}: {worst.message}"
        return (Check(self.name, CheckStatus.PASS, text, evidence=evidence),)

    def _sides(self, gate_input: GateInput) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        """Both sides with what is true of them; none where the score is the truth itself."""
        if gate_input.by_gold:
            return (), ()
        known = gate_input.truth or (None, None)
        return row_records(gate_input.champion, known[0]), row_records(gate_input.challenger, known[1])

    def _this(self, gate_input: GateInput, before: Sequence[Record], after: Sequence[Record]) -> tuple[Finding, ...]:
        findings = compare(before, after)
        old, new = _pairs(before, _truth), _pairs(after, _truth)
        if old and new:
            rise, real = (fmean(p[side] for p in new) - fmean(p[side] for p in old) for side in (0, 1))
            if rise > 0 and real < rise / 2:
                grown = inflation(gate_input.champion, gate_input.challenger)
                added = f" while the score rose by {rise:+.3f} and agreement with gold by {real:+.3f}"
                findings += tuple(Finding(f.signal, f.severity, f.message + added) for f in grown)
        return findings
