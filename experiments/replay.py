"""Sessions that were recorded before, as two arms of an experiment: a decision examined again, and nothing paid."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import DataError, UsageError
from core.plain import digest
from data.formats.base import json_records
from experiments.pairs import Place
from sessions.record import Outcome, Session
from sessions.store import SessionStore
from sessions.typed import chain_of

MAX_PROBLEMS = 20
STORE = "store"
"""What is named instead of a file to replay sessions of the store."""
ID_KEYS = ("id", "session_id")
TRIAL_KEYS = ("trial", "run", "repeat")
"""Which repeat of a task a record is, under the first of these that it has; digits at the end of a text count."""


@dataclass(frozen=True)
class Recorded:
    """One arm of a replay: its sessions by place."""

    name: str
    by_place: Mapping[Place, Session]

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it has sessions."""
        return tuple(self.by_place)

    @property
    def digest(self) -> str:
        """Names what was recorded."""
        return digest([[*place, s.id, s.success, s.score] for place, s in sorted(self.by_place.items())])

    def renumbered(self) -> Recorded:
        """The same with the trials of each task numbered from 0, in their order."""
        seen: Counter[str] = Counter()
        by_place: dict[Place, Session] = {}
        for (task, _), session in sorted(self.by_place.items()):
            by_place[task, seen[task]] = replace(session, trial=seen[task])
            seen[task] += 1
        return Recorded(self.name, by_place)

    def produce(self, session_id: str, place: Place) -> Session:
        """The recorded session, under the name that it has in this experiment."""
        found = self.by_place[place]
        return replace(found, id=session_id, metadata={**found.metadata, "recorded_as": found.id})


def parse_where(words: Sequence[str], flag: str) -> dict[str, str]:
    """Conditions ``key=value``, separated by commas or given several times.

    Raises:
        UsageError: If one is not of that form, or there is none.
    """
    parts = [part.strip() for word in words for part in word.split(",") if part.strip()]
    wrong = next((part for part in parts if "=" not in part), None)
    if wrong or not parts:
        raise UsageError(f"{flag}: received {wrong!r}; expected key=value, such as {flag} strategy=simple")
    return {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in parts)}


def read_arm(records: Sequence[Mapping[str, Any]], where: Mapping[str, str], flag: str) -> Recorded:
    """The sessions of one arm; of several at one place the first stands.

    Raises:
        UsageError: If there are none.
    """
    chosen = [record for record in records if all(str(record.get(key)) == value for key, value in where.items())]
    if not chosen:
        keys = next(iter(where))
        seen = sorted({str(record.get(keys)) for record in records})[:12]
        raise UsageError(f"{flag}: no session has {where}; {keys} is one of: {', '.join(seen)}")
    by_place: dict[Place, Session] = {}
    name = ",".join(f"{key}={value}" for key, value in where.items())
    for record in chosen:
        session = session_from(record, name)
        by_place.setdefault((session.task, session.trial), session)
    return Recorded(name, by_place)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON or JSONL file.

    Raises:
        DataError: With the lines that are no record.
    """
    problems: list[str] = []
    found: list[dict[str, Any]] = []
    try:
        for number, value in json_records(path, lambda line, said: problems.append(f"{path}:{line}: {said}")):
            for record in value if isinstance(value, list) else [value]:
                if isinstance(record, dict):
                    found.append(record)
                else:
                    problems.append(f"{path}:{number}: received a {type(record).__name__}, need an object")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if problems:
        raise DataError("\n".join(problems[:MAX_PROBLEMS]), hint="`sessions import` takes what can be read")
    return found


def stored_arm(store: SessionStore, words: Sequence[str], flag: str) -> Recorded:
    """The sessions of one arm out of a store, chosen as ``--where`` chooses; of several at one place the newest stands.

    Raises:
        UsageError: If a field is unknown, or there are none.
    """
    parse_where(words, flag)
    chain = chain_of([("where", words)])
    name = ",".join(words)
    by_place = {(session.task, session.trial): replace(session, experiment=name) for session in store.sessions(chain)}
    if not by_place:
        raise UsageError(f"{flag}: no stored session fits {name}", hint="see what there is: sessions stats --by model")
    return Recorded(name, by_place)


def side_by_side(control: Recorded, test: Recorded) -> tuple[Recorded, Recorded]:
    """Two arms whose trials have the same numbers: where they share no place, each task's trials are numbered anew."""
    if set(control.by_place) & set(test.by_place):
        return control, test
    return control.renumbered(), test.renumbered()


def session_from(record: Mapping[str, Any], arm: str) -> Session:
    """A record as a session; one without a truth value in ``success`` is unknown, and never a failure."""
    success = record.get("success")
    success = success if isinstance(success, bool) else None
    score = record.get("score", record.get("reward"))
    outcome = Outcome.UNKNOWN if success is None else Outcome.SUCCESS if success else Outcome.AGENT_FAILURE
    named = record.get("outcome")
    if named in set(Outcome):
        outcome = Outcome(named)
    tokens = record.get("tokens")
    cost = record.get("cost_usd")
    return Session(
        id=str(next((record[key] for key in ID_KEYS if key in record), "")),
        experiment=arm,
        model=str(record.get("model", record.get("config", ""))),
        task=str(record.get("task", "")),
        trial=_trial(record),
        success=success,
        score=float(score) if isinstance(score, (int, float)) and not isinstance(score, bool) else None,
        outcome=outcome,
        input_tokens=record.get("input_tokens") if isinstance(record.get("input_tokens"), int) else None,
        output_tokens=tokens if isinstance(tokens, int) else None,
        cost_usd=float(cost) if isinstance(cost, (int, float)) else None,
    )


def _trial(record: Mapping[str, Any]) -> int:
    value = next((record[key] for key in TRIAL_KEYS if key in record), 0)
    if isinstance(value, int):
        return value
    digits = re.search(r"(\d+)$", str(value))
    return int(digits.group(1)) if digits else 0
