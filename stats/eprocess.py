"""A bet on graded scores that stays valid however often one looks: an e-process for paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from stats.checks import finite, open_unit, positive, whole
from stats.counted import Decision, same_design


@dataclass(frozen=True)
class EDesign:
    """What the bet is against: "the test arm's mean score is better by at most ``min_effect``".

    A difference d becomes ``x = (d / scale + 1) / 2`` in [0, 1]; under H0 its mean is at most
    ``m0 = 1/2 + min_effect / (2 scale)``, so that wealth, the product of ``1 + bet (x - m0)``, is a fair or losing
    game for any bet that is fixed before its pair, whatever the scores' distribution. It reaches ``1 / alpha`` with a
    chance of at most alpha, at whatever moment one stops.

    Assumes that the differences' mean, given all earlier ones, is at most ``min_effect`` under H0.

    Attributes:
        alpha: Chance to accept what is not better by more than ``min_effect``.
        min_effect: Difference of scores that has to be exceeded.
        scale: Largest possible difference.
        min_n: Pairs before which nothing is decided.
        n_max: Pairs after which there is no decision.
        max_bet: Largest stake.

    Raises:
        ValueError: If a number is out of range.

    Reference: I. Waudby-Smith and A. Ramdas (2024), "Estimating means of bounded random variables by betting", JRSS B
    86, section 4 (the plug-in bet); J. Ville (1939).
    """

    alpha: float = 0.05
    min_effect: float = 0.0
    scale: float = 1.0
    min_n: int = 5
    n_max: int = 400
    max_bet: float = 0.5

    def __post_init__(self) -> None:
        open_unit(self.alpha, name="alpha")
        positive(self.scale, name="scale")
        if not -self.scale < finite(self.min_effect, name="min_effect") < self.scale:
            raise ValueError(f"min_effect: received {self.min_effect:g}, need less than the scale, {self.scale:g}")
        whole(self.min_n, name="min_n", at_least=1)
        whole(self.n_max, name="n_max", at_least=self.min_n)
        if not 0 < self.max_bet <= 1:
            raise ValueError(f"max_bet: received {self.max_bet:g}, need a number above 0 and at most 1")

    @property
    def null_mean(self) -> float:
        """The mean of x that has to be exceeded."""
        return 0.5 + self.min_effect / (2 * self.scale)

    @property
    def start(self) -> EState:
        """The bet before its first pair."""
        return EState(self)


@dataclass(frozen=True)
class EState:
    """A bet under way; each pair gives the next state.

    Attributes:
        design: What the bet is against.
        n: Pairs so far.
        total: Sum of x.
        squares: Sum of the squared distances of x from the mean estimated after it.
        wealth: What one unit has become.
        decision: Where it stands.
    """

    design: EDesign
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    wealth: float = 1.0
    decision: Decision = Decision.CONTINUE

    @property
    def bet(self) -> float:
        """The stake on the next pair, from the pairs before it alone."""
        lead = self._mean - self.design.null_mean
        variance = (0.25 + self.squares) / (self.n + 1)
        return min(max(lead / (variance + lead**2), 0.0), self.design.max_bet)

    @property
    def _mean(self) -> float:
        return (0.5 + self.total) / (self.n + 1)

    @property
    def position(self) -> float:
        """Log wealth."""
        return math.log(self.wealth) if self.wealth > 0 else -math.inf

    @property
    def bounds(self) -> tuple[float | None, float]:
        """No lower one, and the log wealth at which it accepts."""
        return None, -math.log(self.design.alpha)

    @property
    def reason(self) -> str:
        """Why it stands where it stands, for a person."""
        has = f"wealth {self.wealth:.3g} after {self.n} pairs"
        if self.decision is Decision.ACCEPT:
            return f"{has} has reached {1 / self.design.alpha:g}"
        if self.decision is Decision.NO_DECISION:
            return f"{has}, the most that were allowed, undecided; NOT evidence of no effect"
        return f"{has}; accepted at {1 / self.design.alpha:g}"

    def observe(self, difference: float) -> EState:
        """Take one pair's difference of scores, test minus control.

        Raises:
            ValueError: If the bet is over, or the difference is beyond the scale.
        """
        if self.decision.final:
            raise ValueError(f"the test is over: {self.decision} after {self.n} pairs")
        if abs(finite(difference, name="difference")) > self.design.scale:
            raise ValueError(f"difference: received {difference}, need at most {self.design.scale:g} either way")
        x = (difference / self.design.scale + 1) / 2
        wealth = self.wealth * (1 + self.bet * (x - self.design.null_mean))
        n, total = self.n + 1, self.total + x
        squares = self.squares + (x - (0.5 + total) / (n + 1)) ** 2
        taken = replace(self, n=n, total=total, squares=squares, wealth=wealth)
        if n >= self.design.min_n and wealth >= 1 / self.design.alpha:
            return replace(taken, decision=Decision.ACCEPT)
        return replace(taken, decision=Decision.NO_DECISION) if n == self.design.n_max else taken

    def resumed(self, design: EDesign) -> EState:
        """The same state, if it is of this design.

        Raises:
            ValueError: If any parameter differs.
        """
        return same_design(self, design)
