"""Sessions of a store as a person works with them in Python: chosen, looked at, measured, mined, added to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sessions.filters import EVERYTHING, FilterChain, SessionFilter
from sessions.importing import How, Imported, import_sessions
from sessions.layouts.mapping import read_mapping
from sessions.record import Session
from sessions.store import SessionStore
from sessions.writing import Appended

if TYPE_CHECKING:
    import numpy as np

    from sessions.patterns import Patterns
    from sessions.study import Study


@dataclass(frozen=True)
class Selection:
    """What a chain of filters selects from a store; nothing is read before it is asked for.

    Attributes:
        store: The store.
        chain: The filters, applied in order.
    """

    store: SessionStore
    chain: FilterChain = EVERYTHING

    def __iter__(self) -> Iterator[Session]:
        """The sessions by start, without trajectories."""
        return self.store.sessions(self.chain)

    def __len__(self) -> int:
        return self.store.count(self.chain)

    def where(self, **fields: Any) -> Selection:
        """Those with these values of fields; several values of one field as a tuple."""
        return replace(self, chain=self.chain.where(**fields))

    def last(self, count: int) -> Selection:
        """The newest so many."""
        return replace(self, chain=self.chain.last(count))

    def add(self, one: SessionFilter) -> Selection:
        """Those that one more filter leaves."""
        return replace(self, chain=self.chain.add(one))

    def get(self, session_id: str) -> Session:
        """One session with its trajectory, whatever is selected.

        Raises:
            StoreError: If there is none.
        """
        return self.store.get(session_id)

    def study(self, *by: str, reference: str | None = None, price: str = "") -> Study:
        """Every metric per group with its interval, the groups against a reference, and the Pareto front.

        Args:
            *by: Fields that groups are made by, as in ``"model"`` or ``"tags.team"``; one group where there are none.
            reference: Name of the group that the others are compared with; the largest where it is None.
            price: ``cost``, ``tokens`` or ``latency``; what is known where it is empty.
        """
        from sessions.study import study, study_metrics

        return study(self.store.tally(study_metrics(), by, self.chain), by, reference=reference, price=price)

    def columns(self, *names: str) -> dict[str, np.ndarray]:
        """Fields as arrays of equal length; see :meth:`sessions.store.SessionStore.columns`."""
        return self.store.columns(names, self.chain)

    def patterns(self) -> Patterns:
        """What goes with failing, clusters of errors, loops and anomalies; reads every trajectory."""
        from sessions.patterns import mine

        return mine(self.store.sessions(self.chain, trajectories=True))

    def append(self, sessions: Iterable[Session], *, replace: bool = False) -> Appended:
        """Add sessions; an id that is there with other content is reported and kept as it was, unless ``replace``."""
        return self.store.append(sessions, replace=replace)

    def read(self, source: str | Path, *, mapping: str | Path | None = None, experiment: str = "") -> Imported:
        """Import logs: a file, a folder or a pattern, in a layout that is known or that a mapping file describes.

        Raises:
            UsageError, DataError: As ``python cli.py sessions import``.
        """
        path = None if mapping is None else Path(mapping)
        how = How(mapping=None if path is None else read_mapping(path), mapping_path=path, experiment=experiment)
        return import_sessions(self.store, str(source), Path.cwd(), how)
