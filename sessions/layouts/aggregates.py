"""Published figures held against the sessions that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import DataError
from sessions.layouts.files import documents
from sessions.layouts.mapping import Aggregate
from sessions.layouts.paths import Missing, Place
from sessions.layouts.values import UnreadableError, found, number, text
from sessions.record import Outcome, Session


@dataclass(frozen=True)
class Contradiction:
    """A published figure that the sessions do not bear out.

    Attributes:
        group: What the figure is about, as in ``model=gpt-4o``.
        figure: Its name.
        published: What was published.
        computed: What the sessions say; None where they say nothing.
        sessions: How many sessions it is about.
        note: What else a reader should know.
    """

    group: str
    figure: str
    published: float | str
    computed: float | None
    sessions: int
    note: str = ""

    def __str__(self) -> str:
        head = f"{self.group}: {self.figure}" if self.group else self.figure
        said = "nothing" if self.computed is None else f"{self.computed:.6g}"
        published = self.published if isinstance(self.published, str) else f"{self.published:.6g}"
        return f"{head}: published {published}, the {self.sessions:,} sessions give {said}{self.note}"


@dataclass(frozen=True)
class Checked:
    """What came of holding published figures against sessions.

    Attributes:
        sessions: The sessions; those of a contradicted figure are tagged ``contradicted``.
        agreed: Figures that the sessions bear out.
        contradictions: Those that they do not.
    """

    sessions: Sequence[Session]
    agreed: int
    contradictions: tuple[Contradiction, ...]


def check(aggregate: Aggregate, sessions: Sequence[Session], files: Sequence[Path], mapping: Path | None) -> Checked:
    """Hold one kind of published figures against sessions. Nothing is corrected to fit them.

    A session that a published list contradicts becomes unknown, because one of the two is wrong; so does each session
    of a contradicted group where the mapping says ``distrust``.

    Raises:
        DataError: If the figures are not there.
    """
    agreed = 0
    wrong: list[Contradiction] = []
    doubted: dict[int, str] = {}
    distrusted: set[int] = set()
    rows = list(_rows(aggregate, files, mapping))
    groups: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
    for row in rows:
        wanted = {name: text(value) for name, source in aggregate.group.items() if _there(value := found(source, row))}
        group = ", ".join(f"{name}={value}" for name, value in wanted.items())
        names = tuple(wanted)
        if names not in groups:
            groups[names] = _grouped(sessions, names)
        members = groups[names].get(tuple(wanted.values()), [])
        for name, source in aggregate.figures.items():
            if not _there(value := found(source, row)):
                continue
            try:
                published = number(value)
            except UnreadableError as error:
                wrong.append(Contradiction(group, name, str(value), None, len(members), f" ({error})"))
                continue
            computed = _figure(name, [sessions[at] for at in members])
            if computed is not None and abs(computed - published) <= aggregate.tolerance + 1e-12:
                agreed += 1
                continue
            wrong.append(Contradiction(group, name, published, computed, len(members), _explained(published, name,
                         [sessions[at] for at in members], aggregate.tolerance)))  # fmt: skip
            doubted.update(dict.fromkeys(members, name))
            distrusted.update(members if aggregate.distrust else ())
        if aggregate.listed is not None:
            differing = _listed(aggregate, row, members, sessions)
            agreed += not differing
            if differing:
                shown = ", ".join(sorted(text(getattr(sessions[at], aggregate.by)) for at in differing)[:5])
                note = f"; {len(differing)} flags differ from the list: {shown}"
                solved = sum(sessions[at].outcome is Outcome.SUCCESS for at in members)
                wrong.append(Contradiction(group, "listed", "a list", float(solved), len(members), note))
                doubted.update(dict.fromkeys(differing, "listed"))
                distrusted.update(differing)
    if not rows:
        raise DataError(f"aggregates: no rows at {aggregate.rows!r}", hint="see aggregates.rows in the mapping")
    marked = [
        _marked(session, doubted[at], unknown=at in distrusted) if at in doubted else session
        for at, session in enumerate(sessions)
    ]
    return Checked(marked, agreed, tuple(wrong))


def _there(value: Any) -> bool:
    return not isinstance(value, Missing) and value is not None


def _rows(aggregate: Aggregate, files: Sequence[Path], mapping: Path | None) -> Iterator[Place]:
    def complain(line: int, message: str) -> None:
        if aggregate.file is not None:
            raise DataError(f"{aggregate.file}:{line}: {message}")

    paths = files
    if aggregate.file is not None:
        folders = list(dict.fromkeys(path.parent for path in (*files, *((mapping,) if mapping else ()))))
        paths = [path for folder in folders if (path := folder / aggregate.file).is_file()]
        if not paths:
            raise DataError(f"aggregates.file: {aggregate.file} is in none of {', '.join(map(str, folders))}")
    for path in paths:
        for document in documents(path, complain):
            yield from document.rows(aggregate.rows)


def _grouped(sessions: Sequence[Session], names: Sequence[str]) -> dict[tuple[str, ...], list[int]]:
    """Places of the sessions by the values of some fields."""
    found: dict[tuple[str, ...], list[int]] = {}
    for at, session in enumerate(sessions):
        found.setdefault(tuple(text(getattr(session, name)) for name in names), []).append(at)
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if known else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _count(sessions: Sequence[Session], outcome: Outcome) -> int:
    return sum(session.outcome is outcome for session in sessions)


def _rate(sessions: Sequence[Session]) -> float | None:
    return _share(_count(sessions, Outcome.SUCCESS), sum(session.outcome.counts for session in sessions))


_COMPUTED: dict[str, Callable[[Sequence[Session]], float | None]] = {
    "sessions": lambda sessions: float(len(sessions)),
    "successes": lambda sessions: float(_count(sessions, Outcome.SUCCESS)),
    "failures": lambda sessions: float(_count(sessions, Outcome.AGENT_FAILURE)),
    "success_rate": _rate,
    "success_rate_of_all": lambda sessions: _share(_count(sessions, Outcome.SUCCESS), len(sessions)),
    "mean_score": lambda sessions: _mean(session.score for session in sessions),
    "mean_steps": lambda sessions: _mean(session.steps for session in sessions),
    "mean_tokens": lambda sessions: _mean(session.tokens for session in sessions),
    "sum_tokens": lambda sessions: _sum(session.tokens for session in sessions),
    "mean_cost_usd": lambda sessions: _mean(session.cost_usd for session in sessions),
    "sum_cost_usd": lambda sessions: _sum(session.cost_usd for session in sessions),
    "mean_latency_s": lambda sessions: _mean(session.latency_s for session in sessions),
}


def _figure(name: str, sessions: Sequence[Session]) -> float | None:
    return _COMPUTED[name](sessions)


def _explained(published: float, name: str, sessions: Sequence[Session], tolerance: float) -> str:
    """A likely reason, where one is at hand."""
    other = {"success_rate": "success_rate_of_all", "success_rate_of_all": "success_rate"}.get(name)
    value = None if other is None else _figure(other, sessions)
    if value is None or abs(value - published) > tolerance:
        return ""
    left_out = sum(not session.outcome.counts for session in sessions)
    which = "counts" if other == "success_rate_of_all" else "leaves out"
    return f"; the published figure {which} {left_out:,} sessions of infrastructure failures or unknown outcome"


def _listed(aggregate: Aggregate, row: Place, members: Sequence[int], sessions: Sequence[Session]) -> list[int]:
    """The sessions whose flag differs from what a list says was solved."""
    source = aggregate.listed
    value = None if source is None else found(source, row)
    if not isinstance(value, list):
        return []
    solved = {text(each) for each in value}
    return [
        at
        for at in members
        if sessions[at].outcome.counts
        and (text(getattr(sessions[at], aggregate.by)) in solved) != (sessions[at].outcome is Outcome.SUCCESS)
    ]


def _marked(session: Session, figure: str, *, unknown: bool) -> Session:
    tags = {**session.tags, "contradicted": figure}
    if not unknown:
        return replace(session, tags=tags)
    metadata = {**session.metadata, "outcome_of_log": session.outcome.value}
    return replace(session, tags=tags, metadata=metadata, outcome=Outcome.UNKNOWN, success=None)
