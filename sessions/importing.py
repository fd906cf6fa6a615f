"""Logs of sessions into the store: read, checked against what was published about them, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from core.catalog import did_you_mean
from core.errors import DataError, UsageError
from data.files import find_files
from sessions.layouts import AUTO, LAYOUTS
from sessions.layouts.aggregates import Contradiction, check
from sessions.layouts.base import Draft, Layout
from sessions.layouts.files import SUFFIXES, documents
from sessions.layouts.mapped import generated_id, mapped
from sessions.layouts.mapping import SessionMapping
from sessions.record import Outcome, Session
from sessions.store import BATCH, SessionStore
from sessions.tables import storable

_SNIFFED = 20
"""Documents that are looked at to tell a layout."""


@dataclass
class Imported:
    """What an import has found and done.

    Attributes:
        files: Files that were read.
        sessions: Sessions that were read, by outcome.
        added: Those that are new in the store.
        replaced: Ids that were overwritten, because that was asked for.
        same: How many were there already with the same content.
        refused: Ids that are there with other content, each with its place; what was stored first was kept.
        problems: What could not be read, each with ``file:line``; the rest of such a session was read.
        layouts: How many sessions came in each layout.
        unfound: Fields that the mapping says where to find and that no row has there.
        agreed: Published figures that the sessions bear out.
        contradictions: Published figures that they do not.
    """

    files: int = 0
    sessions: Counter[Outcome] = field(default_factory=Counter[Outcome])
    added: int = 0
    replaced: list[str] = field(default_factory=list[str])
    same: int = 0
    refused: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    layouts: Counter[str] = field(default_factory=Counter[str])
    unfound: list[str] = field(default_factory=list[str])
    agreed: int = 0
    contradictions: list[Contradiction] = field(default_factory=list[Contradiction])

    @property
    def read(self) -> int:
        """Sessions that were read."""
        return self.sessions.total()


@dataclass(frozen=True)
class How:
    """How logs are to be read.

    Attributes:
        layout: Name of a layout, or ``auto``.
        mapping: The mapping, where there is one; then no layout is looked for.
        mapping_path: The file that it was read from.
        experiment: Experiment of sessions that name none.
        replace: Whether sessions that are there with other content are overwritten.
    """

    layout: str = AUTO
    mapping: SessionMapping | None = None
    mapping_path: Path | None = None
    experiment: str = ""
    replace: bool = False


def import_sessions(store: SessionStore, source: str, root: Path, how: How) -> Imported:
    """Read every session of a file, a folder or a glob pattern, relative to ``root``, into a store.

    A log that cannot be read in part is read as far as it goes: every line is either a session or among the problems.

    Raises:
        UsageError: If the source or the layout does not exist.
        DataError: If no session is found at all, or published figures that the mapping names are not there.
    """
    if how.layout != AUTO and how.layout not in LAYOUTS:
        known = (AUTO, *LAYOUTS.names)
        raise UsageError(
            f"--format: received {how.layout!r}; allowed: {', '.join(known)}", hint=did_you_mean(how.layout, known)
        )
    base, files = find_files(source, root, SUFFIXES)
    published = {each.file for each in how.mapping.aggregates} if how.mapping is not None else set[str | None]()
    logs = [path for path in files if path.name not in published] or files
    done = Imported(files=len(logs))
    told = _Identities(base, done)
    drafts = (pair for path in logs for pair in _of_file(path, base, how, told))
    sessions = (session for path, draft in drafts if (session := told.named(path, draft, how)) is not None)
    if how.mapping is not None and how.mapping.aggregates:
        found: Iterable[Session] = list(sessions)
        for aggregate in how.mapping.aggregates:
            checked = check(aggregate, list(found), files, how.mapping_path)
            found = checked.sessions
            done.agreed += checked.agreed
            done.contradictions += checked.contradictions
        sessions = iter(found)
    _store(store, sessions, done, told, replace_them=how.replace)
    if how.mapping is not None:
        done.unfound += [f"{name}: nothing at {where}" for name, where in how.mapping.places if name not in told.found]
    if not done.read and not done.same:
        first = f"; the first of {len(done.problems)} problems: {done.problems[0]}" if done.problems else ""
        raise DataError(
            f"{source}: no session in {len(files)} files{first}",
            hint=f"describe the layout with --mapping FILE, or name it: --format {', '.join(LAYOUTS.names)}",
        )
    return done


def _store(
    store: SessionStore, sessions: Iterator[Session], done: Imported, told: _Identities, *, replace_them: bool
) -> None:
    while batch := list(islice(sessions, BATCH)):
        done.sessions.update(session.outcome for session in batch)
        became = store.append(batch, replace=replace_them)
        done.added += became.added
        done.same += len(became.same)
        done.replaced += became.replaced
        done.refused += [
            f"{told.places[name]}: {name!r} is in the store with other content, which was kept"
            for name in became.refused
        ]


def _of_file(path: Path, base: Path, how: How, told: _Identities) -> Iterator[tuple[Path, Draft]]:
    label, done = path.relative_to(base).as_posix(), told.done

    def complain(line: int, message: str) -> None:
        done.problems.append(f"{label}:{line}: {message}")

    try:
        if how.mapping is not None:
            name, drafts = "mapping", mapped(how.mapping, documents(path, complain, base), complain, told.found)
        else:
            layout = LAYOUTS.get(how.layout) if how.layout != AUTO else _recognised(path)
            if layout is None:
                complain(1, f"no layout that is known; looked for {', '.join(LAYOUTS.names)}")
                return
            name, drafts = layout.name, layout.read(documents(path, complain, base), complain)
            if layout.aggregates:
                drafts = iter(_held_against(layout, list(drafts), path, done))
        for draft in drafts:
            done.layouts[name] += 1
            yield path, draft
    except OSError as error:
        complain(1, f"cannot be read: {error.strerror or error}")


def _held_against(layout: Layout, drafts: list[Draft], path: Path, done: Imported) -> list[Draft]:
    """The sessions of a file, marked where the file's own figures contradict them."""
    for aggregate in layout.aggregates:
        checked = check(aggregate, [draft.session for draft in drafts], [path], None)
        drafts = [replace(draft, session=one) for draft, one in zip(drafts, checked.sessions, strict=True)]
        done.agreed += checked.agreed
        done.contradictions += checked.contradictions
    return drafts


def _recognised(path: Path) -> Layout | None:
    silent: Callable[[int, str], None] = lambda _line, _message: None  # noqa: E731 - told when the file is read
    for place in islice(documents(path, silent), _SNIFFED):
        for layout in LAYOUTS:
            if layout.recognises(place.value):
                return layout
    return None


class _Identities:
    """Gives each session of an import an id of its own, and tells of those that come twice."""

    def __init__(self, base: Path, done: Imported) -> None:
        self._base, self.done = base, done
        self._seen: dict[str, int] = {}
        self.places: dict[str, str] = {}
        """Where each session stands."""
        self.found: set[str] = set()
        """Fields that the mapping has found in any row."""

    def named(self, path: Path, draft: Draft, how: How) -> Session | None:
        """The session under its id; None where the id has come before."""
        session = draft.session
        if not session.experiment and how.experiment:
            session = replace(session, experiment=how.experiment)
        place = f"{path.relative_to(self._base).as_posix()}:{draft.line}"
        content = hash(repr(session))
        if (mended := storable(session.id)) != session.id:  # as the store will have it, where it may meet another
            session = replace(session, id=mended)
        if not session.id:
            name, repeat = generated_id(path.stem, session), 1
            while (numbered := name if repeat == 1 else f"{name}#{repeat}") in self._seen:
                repeat += 1
            session = replace(session, id=numbered)
        elif session.id in self._seen:
            if self._seen[session.id] == content:
                self.done.same += 1
            else:
                self.done.refused.append(
                    f"{place}: {session.id!r} was there already at {self.places[session.id]} with other content, "
                    "which was kept"
                )
            return None
        self._seen[session.id], self.places[session.id] = content, place
        return session
