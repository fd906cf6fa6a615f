"""Sweeps: one task under several patches, each a whole search of its own, ranked by what the holdout said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.evaluation import Usage
from core.optimization import Optimization
from core.plain import digest
from data.json_text import JsonError, load_json
from stats import Interval, holm, key_interval, paired_decision

COMMENTS = ("#", "//")
SAME = 1e-12


@dataclass(frozen=True)
class Patch:
    """What one line of a sweep file changes in the task file; ``DROP`` deletes a key."""

    line: int
    values: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The patch as it is shown."""
        return json.dumps(self.values, ensure_ascii=False)


@dataclass(frozen=True)
class Entry:
    """One patch and what its search came to.

    Attributes:
        patch: The patch as text; empty for the task as it is.
        run_id: Its run.
        verdict: What the gate said.
        scores: Holdout score of its winner by row; empty where the holdout stayed closed, because nothing beat the
            seed.
        measured: Digest of how it was scored; scores are compared only where it is the same.
        dev: Mean dev score of its winner.
        usage: What it has spent.
        offline: Whether the embedded model played a role.
    """

    patch: str
    run_id: str
    verdict: str
    scores: Mapping[str, float]
    measured: str
    dev: float | None
    usage: Usage
    offline: bool = False

    @property
    def score(self) -> float | None:
        """Mean holdout score; None where the holdout stayed closed."""
        return sum(self.scores.values()) / len(self.scores) if self.scores else None

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of the score."""
        return key_interval(list(self.scores.values())) if self.scores else None


@dataclass(frozen=True)
class Standing:
    """A place of the leaderboard: an entry, and how it compares with the leader on the rows of both.

    ``p_value`` is one-sided, for the hypothesis that the leader is no better, corrected for all comparisons by Holm's
    method; None for the leader and where nothing can be compared.
    """

    entry: Entry
    behind: float | None = None
    rows: int = 0
    p_value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Sweep:
    """A leaderboard, best first."""

    task: str
    standings: tuple[Standing, ...]
    notes: tuple[str, ...] = field(default=())


def read_patches(path: Path) -> tuple[Patch, ...]:
    """The patches of a file: one JSON object per line; blank lines and lines that begin with # or // are skipped.

    Raises:
        DataError: If the file cannot be read, has no patch, or a line is no JSON object; every such line is named.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    patches: list[Patch] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(COMMENTS):
            continue
        try:
            values = load_json(text, strict=True)
        except JsonError as error:
            problems.append(f"{path}:{number}: {error.message}")
            continue
        if isinstance(values, dict):
            patches.append(Patch(number, values))
        else:
            problems.append(f"{path}:{number}: a patch is a JSON object, received {text[:60]}")
    if problems:
        raise DataError("\n".join(problems))
    if not patches:
        raise DataError(f"{path}: no patch in it", hint='a line is a patch, such as {"models": {"student": "small"}}')
    return tuple(patches)


def entry_of(patch: str, config: Mapping[str, Any], result: Optimization) -> Entry:
    """What a search came to, as an entry; ``config`` is the whole configuration that it ran with."""
    judged = result.holdout_candidate.scored if result.holdout_candidate else ()
    return Entry(
        patch=patch,
        run_id=result.run_id,
        verdict=result.verdict.decision.value,
        scores={row.row_id: row.score for row in judged if row.score is not None},
        measured=digest([config.get(key) for key in ("metric", "outputs", "judge", "inputs")]),
        dev=result.candidates[result.winner_index].claim,
        usage=result.total_usage,
        offline=result.offline,
    )


def ranked(task: str, entries: Sequence[Entry]) -> Sweep:
    """The leaderboard: by holdout score, then those whose holdout stayed closed, by dev score.

    The leader was picked by its score on these rows, so that its lead is flattered: the comparisons say which others it
    may really be ahead of, not by how much it will be ahead tomorrow.
    """
    order = sorted(
        entries, key=lambda e: (e.score is None, -(e.score if e.score is not None else e.dev or 0.0), e.run_id)
    )
    leader, others = order[0], order[1:]
    found = [_behind(leader, entry) for entry in others]
    known = [index for index, standing in enumerate(found) if standing.p_value is not None]
    adjusted = holm([p for index in known if (p := found[index].p_value) is not None])
    corrected = dict(zip(known, adjusted, strict=True))
    standings = [Standing(s.entry, s.behind, s.rows, corrected.get(index), s.note) for index, s in enumerate(found)]
    return Sweep(task, (Standing(leader, note="leads"), *standings), _notes(order))


def _behind(leader: Entry, other: Entry) -> Standing:
    if not leader.scores or not other.scores:
        return Standing(other, note="its holdout stayed closed: nothing beat the seed on dev")
    if leader.measured != other.measured:
        return Standing(other, note="scored otherwise than the leader, so that scores do not compare")
    rows = [row for row in leader.scores if row in other.scores]
    if not rows:
        return Standing(other, note="no holdout row in common with the leader")
    deltas = [leader.scores[row] - other.scores[row] for row in rows]
    if max(map(abs, deltas)) <= SAME:
        return Standing(other, 0.0, len(rows), 1.0, "the same on every row")
    decision = paired_decision(deltas)
    return Standing(other, decision.mean, len(rows), min(1.0, decision.p_value))


def _notes(entries: Sequence[Entry]) -> tuple[str, ...]:
    notes = ["the leader is the best of several on these very rows, which flatters its score"]
    if len({entry.measured for entry in entries}) > 1:
        notes.append("patches that change the metric are ranked by scores that do not compare")
    return tuple(notes)
