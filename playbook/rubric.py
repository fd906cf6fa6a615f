"""Is it a lesson? Three gates that reject an entry and four scores that grade it, both from the same facts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from playbook.cues import cue_problem
from playbook.entry import CueType, Entry, Lifecycle
from playbook.learning import GatesSection, LearningSection

GATES = ("actionability", "cue", "generality")
HOOKABILITY = {CueType.REGEX: 1.0, CueType.PREDICATE: 0.6, CueType.KEYWORD: 0.4}
SLACK = 20
"""Characters that the whole text may be over the limit before it is no longer general."""

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_YEAR = r"(?:19|20)\d\d"
_DATE = re.compile(
    rf"\b{_YEAR}[-/.](?:0?[1-9]|1[0-2])(?:[-/.](?:0?[1-9]|[12]\d|3[01]))?\b"
    rf"|\b(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.]{_YEAR}\b"
    rf"|\b{_MONTH}\s(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s)?{_YEAR}\b"
    rf"|\b(?:in|since|until|during|before|after|year|q[1-4])\s{_YEAR}(?=[.,;:!?)]|$|\n)",
    re.IGNORECASE,
)
"""A year alone is a date only after a word like *since* and at the end of its phrase: *under 2000 tokens* is none."""
_STANDARDS = "AES|BASE|CP|GPT|HTTP|IEEE|IPV|ISO|MD|RFC|RSA|SHA|TLS|UTC|UTF"
_INCIDENT = re.compile(
    rf"\b(?!(?:{_STANDARDS})-)[A-Z]{{2,10}}-\d{{2,}}\b"
    r"|\b(?:[Ii]ncident|[Tt]icket|[Cc]ase|[Ii]ssue|[Bb]ug|INC|SEV)\s?[#_]?\d{2,}\b|#\d{3,}\b"
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
)
_NOUN = re.compile(rf"\b(?!(?:{_STANDARDS})-\d)[A-Z][A-Za-z]{{2,}}\b")
_STARTS_ANEW = re.compile(r"(?:^|[.!?]\s*|\n\s*)[^\w\n]*$")


@dataclass(frozen=True)
class Judged:
    """An entry with what the rubric says of it.

    Attributes:
        entry: The entry; its provenance has the scores, its lifecycle is *rejected* where an enforced gate fails.
        scores: From 0 to 1 by name, from facts alone: a gate that is switched off hides nothing.
        total: The weighted mean of the scores.
        weights: Shares of each score, rounded to four decimals.
        failures: What is wrong, by gate, whether or not that gate is enforced.
        enforced: The gates that reject.
    """

    entry: Entry
    scores: Mapping[str, float]
    total: float
    weights: Mapping[str, float]
    failures: Mapping[str, tuple[str, ...]]
    enforced: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether no enforced gate fails."""
        return not any(gate in self.failures for gate in self.enforced)

    @property
    def why(self) -> str:
        """What the enforced gates say against it; empty where nothing."""
        return "; ".join(f"{gate}: {', '.join(self.failures[gate])}" for gate in self.enforced if gate in self.failures)


@dataclass(frozen=True)
class Quality:
    """What the rubric says of a batch: how many passed, which gates failed, and the mean total (None of nothing)."""

    candidates: int
    passed: int
    failed: int
    pass_rate: float | None
    gate_failures: Mapping[str, int]
    average_score: float | None
    weights: Mapping[str, float]
    at: str


def judge(entry: Entry, learning: LearningSection) -> Judged:
    """Pass an entry through the gates and score it.

    Scores: *actionability* and *generality* are 1 where their gate's facts hold, else 0; *hookability* is 1 for a
    regular expression, 0.6 for a predicate, 0.4 for a keyword, 0 for a cue that cannot be looked for; *concision* is
    1 less the characters beyond ``max_text_length`` over that length, at least 0, of imperative, effect, constraints
    and pattern together.
    """
    problems = {
        "actionability": _actionability(entry, learning),
        "cue": _cue(entry, learning),
        "generality": _generality(entry, learning.gates),
    }
    failures = {gate: tuple(found) for gate, found in problems.items() if found}
    limit = learning.gates.max_text_length
    length = len(entry.action.imperative + entry.expected_effect + entry.scope.constraints + entry.cue.pattern)
    scores = {
        "actionability": float("actionability" not in failures),
        "generality": float("generality" not in failures),
        "hookability": 0.0 if "cue" in failures else HOOKABILITY[entry.cue.type],
        "concision": max(0.0, 1 - max(0, length - limit) / limit),
    }
    shares = learning.rubric_weights.shares
    total = sum(share * scores[name] for name, share in shares.items())
    weights = {name: round(share, 4) for name, share in shares.items()}
    judged = Judged(entry, scores, total, weights, failures, learning.gates.enforced)
    provenance = replace(entry.provenance, scores=scores | {"total": total}, weights=weights)
    lifecycle = Lifecycle.ACTIVE if judged.accepted else Lifecycle.REJECTED
    return replace(judged, entry=replace(entry, provenance=provenance, lifecycle=lifecycle))


def quality(batch: Sequence[Judged], at: str) -> Quality:
    """The rubric's view of a batch; ``gate_failures`` counts facts, enforced or not."""
    passed = sum(one.accepted for one in batch)
    counts = Counter(gate for one in batch for gate in one.failures)
    return Quality(
        len(batch), passed, len(batch) - passed, passed / len(batch) if batch else None,
        {gate: counts[gate] for gate in GATES},
        sum(one.total for one in batch) / len(batch) if batch else None,
        batch[0].weights if batch else {}, at,
    )  # fmt: skip


def _actionability(entry: Entry, learning: LearningSection) -> list[str]:
    found = [] if entry.action.imperative.strip() else ["the imperative is empty"]
    if not learning.entry_schema.allows(entry.action.handle):
        found.append(f"{entry.action.handle!r} is the handle of no tool")
    return found


def _cue(entry: Entry, learning: LearningSection) -> list[str]:
    if entry.cue.type not in learning.entry_schema.cue_types:
        return [f"cues of type {entry.cue.type} are not allowed"]
    problem = cue_problem(entry.cue)
    return [problem] if problem else []


def _generality(entry: Entry, gates: GatesSection) -> list[str]:
    texts = (
        entry.cue.pattern, entry.cue.description, entry.action.imperative, entry.action.tool, entry.expected_effect,
        entry.scope.constraints,
    )  # fmt: skip
    joined = "\n".join(text for text in texts if text)
    found = [
        f"banned token {token!r}"
        for token in gates.banned_tokens
        if re.search(rf"(?<!\w){re.escape(token)}(?!\w)", joined, re.IGNORECASE)
    ]
    found += [f"date {match[0]!r}" for match in [_DATE.search(joined)] if match]
    found += [f"reference {match[0]!r}" for match in [_INCIDENT.search(joined)] if match]
    allowed = {noun.lower() for noun in gates.allowed_proper_nouns}
    nouns = [
        match[0]
        for match in _NOUN.finditer(joined)
        if match[0].lower() not in allowed
        and not _STARTS_ANEW.search(joined[max(0, match.start() - 40) : match.start()])
    ]
    found += [f"proper noun {noun!r}" for noun in dict.fromkeys(nouns)]
    if len(joined) > gates.max_text_length + SLACK:
        found.append(f"exceeds_length: {len(joined)} characters where {gates.max_text_length} are allowed")
    return found
