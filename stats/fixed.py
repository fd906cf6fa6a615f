"""The fixed test beside the sequential ones: a number of pairs that is set beforehand, and one look."""

from __future__ import annotations

from dataclasses import dataclass

from stats.checks import open_unit, whole
from stats.counted import Counted, Decision
from stats.paired_tests import exact_sign_test


@dataclass(frozen=True)
class FixedDesign:
    """The same question with a number of pairs that is set beforehand and one look at the end.

    After ``n`` pairs an exact one-sided sign test (McNemar) of the pairs that disagree accepts at ``alpha``; anything
    else rejects. No look before the end counts.

    Raises:
        ValueError: If n is not a positive whole number, or alpha is out of range.
    """

    n: int
    alpha: float = 0.05

    def __post_init__(self) -> None:
        whole(self.n, name="n", at_least=1)
        open_unit(self.alpha, name="alpha")

    @property
    def n_max(self) -> int:
        """The pairs it takes."""
        return self.n

    @property
    def start(self) -> FixedState:
        """The test before its first pair."""
        return FixedState(self)


@dataclass(frozen=True)
class FixedState(Counted[FixedDesign]):
    """A fixed test under way; it decides at its last pair and not before."""

    design: FixedDesign

    @property
    def p_value(self) -> float:
        """One-sided p of the exact sign test; valid at the last pair alone."""
        return exact_sign_test(self.wins, self.losses)

    @property
    def position(self) -> float:
        """Wins minus losses."""
        return float(self.wins - self.losses)

    @property
    def bounds(self) -> tuple[float | None, float]:
        """No lower one, and the lead that would be significant if no further pair disagreed."""
        disagree = self.wins + self.losses
        lead = next((k for k in range(disagree + 1) if exact_sign_test((disagree + k) // 2, (disagree - k) // 2)
                     <= self.design.alpha), disagree + 1)  # fmt: skip
        return None, float(lead)

    @property
    def reason(self) -> str:
        """Why it stands where it stands, for a person."""
        if not self.decision.final:
            return f"{self.counts}: pair {self.n} of {self.design.n}, decided at the last one"
        sign = "at most" if self.decision is Decision.ACCEPT else "above"
        return f"{self.counts} in {self.n} pairs: p = {self.p_value:.3g}, {sign} {self.design.alpha:g}"

    def decided(self) -> Decision:
        """Where the test stands by its counts."""
        if self.n < self.design.n:
            return Decision.CONTINUE
        return Decision.ACCEPT if self.p_value <= self.design.alpha else Decision.REJECT
