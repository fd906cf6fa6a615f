"""Sessions that were recorded before, as two arms of an experiment: a decision examined again, and nothing paid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import DataError, UsageError
from experiments.pairs import Place
from sessions.record import Outcome, Session

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
        DataError: With the line that is no record.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if text.lstrip().startswith("["):
        try:
            whole = json.loads(text)
        except ValueError as error:
            raise DataError(f"{path}: not JSON: {error}") from None
        return [record for record in whole if isinstance(record, dict)]
    return list(_lines(path, text))


def _lines(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number}: received a {type(record).__name__}, need an object")
        yield record


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
