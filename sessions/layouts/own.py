"""Sessions as this project exports them: field names are those of the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sessions.layouts.base import Complain, Draft, Layout
from sessions.layouts.mapped import mapped
from sessions.layouts.mapping import SessionMapping, Source
from sessions.layouts.paths import Place
from sessions.layouts.values import text
from sessions.tables import FIELDS, MAPPINGS

AS_NAMED = SessionMapping(
    fields={name: Source(path=name) for name in FIELDS if name not in MAPPINGS}, trajectory="trajectory"
)
_TELLING = {"success", "outcome", "score"}


def read(places: Iterable[Place], complain: Complain) -> Iterator[Draft]:
    """Each document is a session; a list of them counts as many. Provider errors count only where no outcome is."""
    for place in (row for document in places for row in document.rows("")):
        if not isinstance(place.value, Mapping):
            complain(place.line, f"{place.where}a session is an object, received {type(place.value).__name__}")
            continue
        inside = {name: place.value[name] for name in MAPPINGS if isinstance(place.value.get(name), Mapping)}
        rest = {_called(key, place.value): value for key, value in place.value.items() if key not in inside}
        bare = Place(rest, place.key, place.above, place.line, place.file)
        for draft in mapped(AS_NAMED, [bare], complain):
            tags = {str(key): text(value) for key, value in inside.get("tags", {}).items()}
            metadata = {**draft.session.metadata, **inside.get("metadata", {})}
            yield Draft(replace(draft.session, tags=tags, metadata=metadata), draft.line)


def _called(key: str, session: Mapping[str, Any]) -> str:
    """The name that a key has with us: benchmarks call what was said ``messages`` or ``traj``."""
    return "trajectory" if key in ("messages", "traj") and "trajectory" not in session else key


def recognises(document: Any) -> bool:
    """Whether a document names fields of a session and says how it ended."""
    return isinstance(document, Mapping) and bool(_TELLING & set(document)) and bool({"id", "task"} & set(document))


SESSIONS = Layout("sessions", "sessions as `sessions export` writes them, or with the same names", read, recognises)
