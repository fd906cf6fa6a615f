"""What goes with failing: conditions over-represented among failures, loops, and sessions out of the ordinary."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sessions.components import components_of
from sessions.errors import ErrorCluster, by_text, cluster_errors, normalised
from sessions.record import Outcome, Session, Step
from stats import holm, label_permutation_test, stratified_exact_test
from stats.distributions import normal_quantile

LEVEL = 0.05
FEWEST = 5
"""Sessions that a condition needs on either side to be tested."""
MOST_CONDITIONS = 300
EXAMPLES = 3
FIELDS = ("model", "experiment", "task_code", "split")
QUANTITIES = ("cost_usd", "tokens", "steps", "latency_s")
FEWEST_FOR_ANOMALIES = 20
LONGEST_PERIOD = 5
FEWEST_ROUNDS = 3
FEWEST_IN_ORDER = 3
"""Sessions in which one tool comes right before another, from which on doing without it is a condition."""
Design = Literal["within tasks", "between tasks"]
Condition = tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """A condition that failing sessions meet more often than chance explains.

    Attributes:
        kind: error, tool, sequence, omission, loop, component or the field's name.
        what: The condition in words.
        support: Sessions that meet it.
        failures: Those of them in which the agent failed.
        sessions: Sessions that count.
        effect: Failure rate with it minus without; within tasks where the design is so.
        p: One-sided.
        p_adjusted: Corrected (Holm) over all conditions that were tested.
        design: What was compared.
        examples: Ids of failed sessions that meet it.
    """

    kind: str
    what: str
    support: int
    failures: int
    sessions: int
    effect: float
    p: float
    p_adjusted: float
    design: Design
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Anomaly:
    """A session whose cost, tokens, steps or latency is out of the ordinary; ``z`` is robust, on the log scale."""

    session: str
    quantity: str
    value: float
    typical: float
    z: float


@dataclass(frozen=True)
class Loop:
    """Steps that repeat: ``rounds`` times the same ``period`` actions with the same arguments."""

    session: str
    start: int
    period: int
    rounds: int
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Patterns:
    """Everything that was mined from sessions; ``tested`` conditions share the level of 5 %."""

    sessions: int
    tested: int
    findings: tuple[Finding, ...]
    errors: tuple[ErrorCluster, ...]
    anomalies: tuple[Anomaly, ...]
    loops: tuple[Loop, ...]


def mine(sessions: Iterable[Session]) -> Patterns:
    """Look for everything that this module knows.

    Args:
        sessions: With trajectories, if tools, sequences and loops are to be seen.
    """
    kept = list(sessions)
    clusters = cluster_errors(error for session in kept for error in errors_of(session))
    loops = tuple(loop for session in kept for loop in find_loops(session))
    findings, tested = systematic(kept, clusters, loops)
    return Patterns(len(kept), tested, findings, clusters, find_anomalies(kept), loops)


def errors_of(session: Session) -> list[str]:
    """Error texts of a session and of its steps, each once."""
    steps = session.trajectory or ()
    return list(dict.fromkeys([*session.errors, *(step.error for step in steps if step.error)]))


def systematic(
    sessions: Sequence[Session], clusters: Sequence[ErrorCluster], loops: Sequence[Loop], level: float = LEVEL
) -> tuple[tuple[Finding, ...], int]:
    """Conditions over-represented among the agent's failures, the surest first, and how many were tested.

    The promise: if no condition has anything to do with failing, the chance of *any* finding is at most ``level``.

    A condition that varies between the sessions of one task is tested within tasks (exact, stratified), so that hard
    tasks do not make everything that happens on them look like a cause. One that belongs to whole tasks is tested
    between tasks, by permuting labels of tasks. Sessions of one task under one condition are taken as exchangeable.
    Conditions are what happened, not why: a finding says where to look.

    Which conditions are tested depends on how often they occur, not on how sessions ended: those met by at least
    :data:`FEWEST` sessions and not met by as many, the most frequent :data:`MOST_CONDITIONS`.
    """
    decided = [session for session in sessions if session.outcome.counts]
    failed = np.array([session.outcome is Outcome.AGENT_FAILURE for session in decided], dtype=bool)
    met: dict[Condition, set[int]] = {}
    for place, conditions in enumerate(conditions_of(decided, clusters, loops)):
        for condition in conditions:
            met.setdefault(condition, set()).add(place)
    tested = [c for c, places in met.items() if FEWEST <= len(places) <= len(decided) - FEWEST]
    tested = sorted(tested, key=lambda c: (-len(met[c]), c))[:MOST_CONDITIONS]
    tasks = _numbered([session.task or f"\0{session.id}" for session in decided])
    measured = [_measured(_mask(met[c], len(decided)), failed, tasks) for c in tested]
    corrected = holm([p for _, p, _ in measured])
    found: list[Finding] = []
    for condition, (effect, p, design), adjusted in zip(tested, measured, corrected, strict=True):
        if adjusted > level or effect <= 0:
            continue
        places = sorted(met[condition])
        examples = tuple(decided[place].id for place in places if failed[place])[:EXAMPLES]
        failures = int(failed[places].sum())
        found.append(Finding(*condition, len(places), failures, len(decided), effect, p, adjusted, design, examples))
    return tuple(sorted(found, key=lambda one: (one.p_adjusted, -one.effect, one.what))), len(tested)


def conditions_of(
    sessions: Sequence[Session], clusters: Sequence[ErrorCluster], loops: Sequence[Loop]
) -> Iterator[set[Condition]]:
    """The conditions that each session meets, as (kind, words)."""
    names, looping, orders = by_text(clusters), {loop.session for loop in loops}, _orders(sessions)
    for session in sessions:
        found = {(field, f"{field} is {value}") for field in FIELDS if (value := getattr(session, field))}
        found |= {("tag", f"{key} is {value}") for key, value in session.tags.items()}
        found |= {("component", f"component {name}") for name in components_of(session)}
        found |= {("error", f"error: {names.get(text := normalised(error), text)}") for error in errors_of(session)}
        if session.id in looping:
            found.add(("loop", "the same actions again and again"))
        yield found | _tool_conditions(session.trajectory or (), orders)


def _orders(sessions: Iterable[Session]) -> frozenset[tuple[str, str]]:
    """Pairs of tools of which the first comes right before the second in at least a few sessions."""
    counts = Counter(
        pair
        for session in sessions
        for pair in set(itertools.pairwise(step.tool for step in session.trajectory or () if step.tool))
        if pair[0] != pair[1]
    )
    return frozenset(pair for pair, count in counts.items() if count >= FEWEST_IN_ORDER)


def find_anomalies(sessions: Sequence[Session], level: float = LEVEL) -> tuple[Anomaly, ...]:
    """Sessions with an extraordinary cost, count of tokens or steps, or latency, the most extraordinary first.

    ``z`` is the distance from the median of the logarithms in units of 1.4826 times the median absolute deviation. The
    limit is such that log-normal quantities give any anomaly with a chance of about ``level``: Bonferroni over sessions
    and quantities, widened for few sessions, where that scale is itself uncertain.

    Reference: B. Iglewicz and D. Hoaglin (1993), "How to Detect and Handle Outliers"; F. Hampel (1974), JASA 69.
    """
    found: list[Anomaly] = []
    for quantity in QUANTITIES:
        given = [(s.id, float(getattr(s, quantity))) for s in sessions if getattr(s, quantity)]
        if len(given) < FEWEST_FOR_ANOMALIES:
            continue
        logs = np.log(np.array([value for _, value in given]))
        middle = float(np.median(logs))
        scale = 1.4826 * float(np.median(np.abs(logs - middle)))
        if scale <= 0:
            continue
        limit = normal_quantile(1 - level / (2 * len(given) * len(QUANTITIES))) * (1 + 12 / len(given))
        for (name, value), z in zip(given, ((logs - middle) / scale).tolist(), strict=True):
            if abs(z) > limit:
                found.append(Anomaly(name, quantity, value, math.exp(middle), z))
    return tuple(sorted(found, key=lambda one: (-abs(one.z), one.session)))


def find_loops(session: Session) -> tuple[Loop, ...]:
    """Stretches in which the same one to five actions with the same arguments come at least three times in a row."""
    signatures = [(step.tool, step.arguments) for step in session.trajectory or () if step.tool]
    found: list[Loop] = []
    place = 0
    while place < len(signatures):
        best = max(
            ((period, _rounds(signatures, place, period)) for period in range(1, LONGEST_PERIOD + 1)),
            key=lambda one: (one[1] >= FEWEST_ROUNDS) * one[0] * one[1] - one[0] / 100,
        )
        if best[1] < FEWEST_ROUNDS:
            place += 1
            continue
        actions = tuple(tool for tool, _ in signatures[place : place + best[0]])
        found.append(Loop(session.id, place, best[0], best[1], actions))
        place += best[0] * best[1]
    return tuple(found)


def _rounds(signatures: Sequence[tuple[str, str]], start: int, period: int) -> int:
    rounds, first = 1, signatures[start : start + period]
    if len(first) < period:
        return 0
    while signatures[start + rounds * period : start + (rounds + 1) * period] == first:
        rounds += 1
    return rounds


def _tool_conditions(steps: Sequence[Step], orders: frozenset[tuple[str, str]]) -> set[Condition]:
    tools = [step.tool for step in steps if step.tool]
    found = {("tool", f"tool {tool} was called") for tool in tools}
    found |= {("tool", f"tool {step.tool} failed") for step in steps if step.tool and step.error}
    found |= {("sequence", f"{first} then {second}") for first, second in itertools.pairwise(tools)}
    found |= {("sequence", " then ".join(three)) for three in zip(tools, tools[1:], tools[2:], strict=False)}
    for before, act in orders:
        if act in tools and before not in tools[: tools.index(act)]:
            found.add(("omission", f"{act} without {before} before it"))
    return found


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    places: dict[str, int] = {}
    return np.array([places.setdefault(name, len(places)) for name in names], dtype=np.int64)


def _mask(places: set[int], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    mask[list(places)] = True
    return mask


def _measured(
    exposed: NDArray[np.bool_], failed: NDArray[np.bool_], tasks: NDArray[np.int64]
) -> tuple[float, float, Design]:
    """Effect, one-sided p and design of one condition; the design follows from exposure alone."""
    n = np.bincount(tasks)
    having = np.bincount(tasks, weights=exposed, minlength=n.size).astype(int)
    varied = (having > 0) & (having < n)
    if exposed[varied[tasks]].sum() * 2 >= exposed.sum():
        failures = np.bincount(tasks, weights=failed, minlength=n.size).astype(int)
        hits = np.bincount(tasks, weights=failed & exposed, minlength=n.size).astype(int)
        strata = list(zip(hits[varied], having[varied], failures[varied], n[varied], strict=True))
        counts = [(int(h), int(e), int(f), int(m)) for h, e, f, m in strata]
        weights = [e * (m - e) / m for _, e, _, m in counts]
        gaps = [h / e - (f - h) / (m - e) for h, e, f, m in counts]
        effect = math.fsum(w * g for w, g in zip(weights, gaps, strict=True)) / math.fsum(weights)
        return effect, stratified_exact_test(counts), "within tasks"
    rates = np.bincount(tasks, weights=failed, minlength=n.size) / n
    held = having * 2 > n
    without, having_it = rates[~held], rates[held]
    if min(without.size, having_it.size) == 0:
        return 0.0, 1.0, "between tasks"
    effect = float(having_it.mean() - without.mean())
    if bool(((rates == 0) | (rates == 1)).all()):
        total = int(rates.sum())
        p = stratified_exact_test([(int(having_it.sum()), having_it.size, total, rates.size)])
    else:
        p = label_permutation_test(without, having_it)
        p = min(1.0, p / 2 if effect > 0 else 1 - p / 2)
    return effect, p, "between tasks"
