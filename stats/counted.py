"""What sequential tests of pairs have in common: the decisions, the counts, and the refusal of other parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

State = TypeVar("State")
Design = TypeVar("Design")


class Decision(StrEnum):
    """Where a sequential test stands."""

    CONTINUE = "continue"
    ACCEPT = "accept"
    """The improvement is shown."""
    REJECT = "reject"
    """Futile: an improvement of the size that was sought is refuted."""
    NO_DECISION = "no decision"
    """The observations are used up; this is not evidence of no effect."""

    @property
    def final(self) -> bool:
        """Whether the test is over."""
        return self is not Decision.CONTINUE


@dataclass(frozen=True)
class Counted(Generic[Design]):
    """A test under way that counts; each observation gives the next state.

    Attributes:
        design: What is tested.
        wins: Successes; of pairs: those that only the test arm solved.
        losses: Failures; of pairs: those that only the control arm solved.
        ties: Pairs in which the arms agree.
        decision: Where it stands.
    """

    design: Design
    wins: int = 0
    losses: int = 0
    ties: int = 0
    decision: Decision = Decision.CONTINUE

    @property
    def n(self) -> int:
        """Observations so far."""
        return self.wins + self.losses + self.ties

    @property
    def counts(self) -> str:
        """What was counted, for a person."""
        return f"{self.wins} won, {self.losses} lost, {self.ties} equal"

    @property
    def allowed(self) -> tuple[int, ...]:
        """Differences that an observation may have."""
        return (-1, 0, 1)

    def decided(self) -> Decision:
        """Where the test stands by its counts."""
        raise NotImplementedError

    def observe(self, difference: float) -> Self:
        """Take one observation.

        Args:
            difference: 1 for a win, -1 for a loss, 0 for a pair that agrees.

        Raises:
            ValueError: If the test is over, or the difference is none of these.
        """
        if self.decision.final:
            raise ValueError(f"the test is over: {self.decision} after {self.n} observations")
        if difference not in self.allowed:
            raise ValueError(f"difference: received {difference}, need 1 (win), -1 (loss) or, in pairs, 0 (equal)")
        taken = replace(
            self,
            wins=self.wins + (difference == 1),
            losses=self.losses + (difference == -1),
            ties=self.ties + (difference == 0),
        )
        return replace(taken, decision=taken.decided())

    def resumed(self, design: Design) -> Self:
        """The same state, if it is of this design.

        Raises:
            ValueError: If any parameter differs: a test that changes its parameters under way keeps no error rate.
        """
        return same_design(self, design)


def same_design(state: State, design: Any) -> State:
    """The state, if it is of this design.

    Raises:
        ValueError: Naming each parameter that differs.
    """
    known: Any = state
    if type(known.design) is not type(design):
        raise ValueError(f"the test under way is of a {type(known.design).__name__}, received {type(design).__name__}")
    before, after = asdict(known.design), asdict(design)
    changed = [f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]
    if changed:
        raise ValueError(f"a test under way keeps its parameters, received others: {'; '.join(changed)}")
    return state
