"""The records of an experiment: its pairs as they enter the test, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PairResult:
    """One pair of sessions as it entered the test, in the order of the stream.

    Attributes:
        index: Place in the stream, from 0; the order is set by the seed and not by who finishes first.
        task: The task that both arms tried.
        trial: Which repeat of the task.
        control: Id of the control arm's session, and likewise ``test``.
        difference: Test minus control, as the test took it; None where the pair was left out.
        left_out: Why it was left out; empty otherwise.
        n: Pairs that the test has taken by now.
        position: The test's statistic by now; None where it has no finite value.
        lower: Position at which it rejects, where there is one.
        upper: Position at which it accepts.
        decision: Where the test stands.
    """

    index: int
    task: str
    trial: int
    control: str
    test: str
    difference: float | None
    left_out: str
    n: int
    position: float | None
    lower: float | None
    upper: float
    decision: str


@dataclass(frozen=True)
class Arm:
    """One side of an experiment, over the pairs that the test took.

    ``left_out`` counts sessions without evidence: infrastructure that failed and outcomes nobody knows. ``cost_usd`` is
    of all its sessions, and None when the cost of any is unknown.
    """

    experiment_id: str
    config_hash: str
    model: str
    guidelines: tuple[str, ...]
    sessions: int
    successes: int
    rate: float | None
    low: float | None
    high: float | None
    left_out: int
    tokens: int | None
    cost_usd: float | None


@dataclass(frozen=True)
class Hindsight:
    """What all recorded pairs of a replay say, by the fixed test; shown beside the decision and no decision itself."""

    pairs: int
    wins: int
    losses: int
    p_value: float
    decision: str


@dataclass(frozen=True)
class Experiment:
    """The whole outcome of one sequential experiment.

    Attributes:
        run_id: The run that recorded it.
        stream: What names the stream of pairs; one stream has one test.
        method: sprt, fixed or eprocess.
        design: The test's parameters.
        decision: accept, reject or no decision.
        reason: Why, for a person.
        pairs: Pairs that the test took.
        left_out: Pairs that were no evidence.
        surplus: Sessions that were under way when the test ended; kept, but no evidence.
        fixed_n: Pairs that the fixed design would have taken.
        saved: Share of the fixed design's pairs that were not needed; negative where more were.
        replayed: Whether the sessions were recorded before.
        path: The test's position after each pair that it took.
    """

    run_id: str
    stream: str
    method: str
    design: Mapping[str, Any]
    decision: str
    reason: str
    control: Arm
    test: Arm
    pairs: int
    left_out: int
    surplus: int
    fixed_n: int
    saved: float
    started_at: str
    seconds: float
    seed: int
    replayed: bool = False
    hypothesis: str | None = None
    offline: bool = False
    path: tuple[float | None, ...] = ()
    hindsight: Hindsight | None = None
    notes: tuple[str, ...] = ()
