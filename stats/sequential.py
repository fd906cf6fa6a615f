"""Sequential tests of a success rate: look after every observation, stop as soon as the evidence is enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from stats.checks import open_unit, whole
from stats.counted import Counted, Decision
from stats.distributions import normal_quantile

FUTILITY_SHARE = 0.1
"""The part of beta that may be lost to the bet on the absolute difference; see :class:`SprtState`."""
MAX_FIXED_MULTIPLE = 2.25
"""Where a test is cut off, in multiples of the fixed design, unless somebody says so."""


@dataclass(frozen=True)
class SprtDesign:
    """What a sequential probability ratio test tells apart, and how surely.

    H0: the test arm is no better. H1: its success rate is ``p0 + effect``. The test accepts H1 once the log-likelihood
    ratio reaches ``ln((1 - beta) / alpha)`` and rejects it once it falls to ``ln(beta / (1 - alpha))``.

    - ``one-sample``: every session of the test arm counts, and ``p0`` is a *frozen* rate of the control arm. A success
      adds ``ln(p1 / p0)``, a failure ``ln((1 - p1) / (1 - p0))``. Invalid where p0 comes from the same sessions.
    - ``paired``: both arms on the same task; pairs that agree move nothing (Wald's double dichotomy). With
      ``P1 = p1 (1 - p0) / (p1 (1 - p0) + p0 (1 - p1))`` a pair that only the test arm solves adds ``ln(2 P1)``, one
      that only the control arm solves ``ln(2 (1 - P1))``. Here p0 sets the size of the steps alone: under H0 either arm
      is as likely to be the one that solves, whatever the rate.

    Errors: Wald's bounds keep ``alpha' <= alpha / (1 - beta)`` and ``alpha' + beta' <= alpha + beta``; what is jumped
    over at the bounds makes both smaller, as :func:`stats.operating_characteristics` computes without approximation.
    Cutting off at ``n_max`` lowers alpha' further and costs power. Assumes that observations are independent given H0:
    trials of one task count as further observations only if the agent really answers anew.

    Attributes:
        p0: Success rate of the control arm.
        effect: The smallest improvement worth having, an absolute difference of rates.
        alpha: Chance to accept what is no better.
        beta: Chance to reject what is better by ``effect``.
        n_max: Observations (of the paired form: pairs) after which there is no decision; None for no end.
        form: ``paired`` or ``one-sample``.

    Raises:
        ValueError: If a number is out of range, or ``p0 + effect`` above 1: such an improvement cannot happen.

    Reference: A. Wald (1945), "Sequential tests of statistical hypotheses", Ann. Math. Statistics 16, sections 3 and 5.
    """

    p0: float = 0.5
    effect: float = 0.15
    alpha: float = 0.05
    beta: float = 0.10
    n_max: int | None = None
    form: Literal["paired", "one-sample"] = "paired"

    def __post_init__(self) -> None:
        open_unit(self.p0, name="p0")
        open_unit(self.effect, name="effect")
        if open_unit(self.alpha, name="alpha") + open_unit(self.beta, name="beta") >= 1:
            raise ValueError(f"alpha, beta: received {self.alpha} and {self.beta}, need a sum below 1")
        if self.p0 + self.effect > 1 + 1e-12:
            raise ValueError(
                f"p0 + effect: received {self.p0:g} + {self.effect:g} = {self.p0 + self.effect:g}, need at most 1: "
                "nothing succeeds more often than always"
            )
        if self.n_max is not None:
            whole(self.n_max, name="n_max", at_least=1)

    @property
    def p1(self) -> float:
        """Success rate of the test arm under H1."""
        return min(1.0, self.p0 + self.effect)

    @property
    def upper(self) -> float:
        """Log-likelihood ratio at which H1 is accepted."""
        return math.log((1 - self.beta) / self.alpha)

    @property
    def lower(self) -> float:
        """Log-likelihood ratio at which H1 is rejected."""
        return math.log(self.beta / (1 - self.alpha))

    @property
    def chances(self) -> tuple[float, float]:
        """Chance of a win, among observations that count, under H0 and under H1."""
        if self.form == "one-sample":
            return self.p0, self.p1
        won, lost = self.p1 * (1 - self.p0), self.p0 * (1 - self.p1)
        return 0.5, won / (won + lost)

    @property
    def win(self) -> float:
        """What a win adds to the log-likelihood ratio."""
        null, sought = self.chances
        return math.log(sought / null)

    @property
    def loss(self) -> float:
        """What a loss adds to the log-likelihood ratio; minus infinity where H1 excludes losses."""
        null, sought = self.chances
        return -math.inf if sought == 1 else math.log((1 - sought) / (1 - null))

    def llr(self, wins: int, losses: int) -> float:
        """The log-likelihood ratio after so many wins and losses."""
        return wins * self.win + (losses * self.loss if losses else 0.0)

    def log_futility(self, wins: int, losses: int, ties: int) -> float:
        """Log wealth of the bet against an absolute difference of ``effect``; see :class:`SprtState`."""
        if self.form == "one-sample":
            return -math.inf
        return wins * math.log(self.effect) + losses * math.log(2 + self.effect) + ties * math.log1p(self.effect)

    @property
    def futility_bound(self) -> float:
        """Log wealth at which that bet refutes the improvement."""
        return -math.log(FUTILITY_SHARE * self.beta)

    @property
    def start(self) -> SprtState:
        """The test before its first observation."""
        return SprtState(self)


@dataclass(frozen=True)
class SprtState(Counted[SprtDesign]):
    """A sequential probability ratio test under way; each observation gives the next state.

    The paired form has a second way to end for futility, because pairs that agree move no likelihood ratio: two arms
    that always agree would never be told apart. A bet against "the difference of rates is at least ``effect``"
    multiplies its wealth by ``1 + effect - d`` with each pair, d being 1, 0 or -1. While that claim is true this is a
    losing or fair game, so that wealth reaches ``1 / b`` with a chance of at most b (Ville); b is a tenth of beta. It
    can only end the test earlier without accepting, so that it costs power, at most b, and never raises alpha.
    """

    design: SprtDesign

    @property
    def position(self) -> float:
        """The log-likelihood ratio."""
        return self.design.llr(self.wins, self.losses)

    @property
    def bounds(self) -> tuple[float | None, float]:
        """Between which positions the test goes on."""
        return self.design.lower, self.design.upper

    @property
    def reason(self) -> str:
        """Why it stands where it stands, for a person."""
        lower, upper = self.bounds
        counts = self.counts
        if self.decision is Decision.ACCEPT:
            return f"{counts}: the log-likelihood ratio {self.position:+.2f} has reached {upper:+.2f}"
        if self.decision is Decision.REJECT and self.position <= self.design.lower:
            return f"{counts}: the log-likelihood ratio {self.position:+.2f} has fallen to {lower:+.2f}"
        if self.decision is Decision.REJECT:
            return f"{counts}: an improvement of {self.design.effect:g} would have shown itself in more wins by now"
        if self.decision is Decision.NO_DECISION:
            return f"{counts}: {self.n} observations are the most that were allowed; NOT evidence of no effect"
        return f"{counts}: the log-likelihood ratio is {self.position:+.2f}, between {lower:+.2f} and {upper:+.2f}"

    @property
    def allowed(self) -> tuple[int, ...]:
        """Differences that an observation may have; one session of its own never agrees with another."""
        return (-1, 0, 1) if self.design.form == "paired" else (-1, 1)

    def decided(self) -> Decision:
        """Where the test stands by its counts."""
        position, design = self.position, self.design
        if position >= design.upper:
            return Decision.ACCEPT
        if position <= design.lower or self._futile():
            return Decision.REJECT
        return Decision.NO_DECISION if self.n == design.n_max else Decision.CONTINUE

    def _futile(self) -> bool:
        return self.design.log_futility(self.wins, self.losses, self.ties) >= self.design.futility_bound


def fixed_sample_size(p0: float, effect: float, *, alpha: float = 0.05, beta: float = 0.10) -> float:
    """Observations that a fixed one-sample test of a rate needs, one-sided, before rounding up.

    ``((z_alpha sqrt(p0 q0) + z_beta sqrt(p1 q1)) / effect) ** 2``

    Reference: J. Fleiss, B. Levin and M. Paik (2003), "Statistical Methods for Rates and Proportions", section 2.5.
    """
    p1 = p0 + effect
    near, far = normal_quantile(1 - alpha), normal_quantile(1 - beta)
    return ((near * math.sqrt(p0 * (1 - p0)) + far * math.sqrt(p1 * (1 - p1))) / effect) ** 2


def fixed_arm_size(p0: float, effect: float, *, alpha: float = 0.05, beta: float = 0.10, sides: int = 1) -> float:
    """Sessions per arm that a fixed comparison of two rates needs, before rounding up.

    ``((z_alpha sqrt(2 p q) + z_beta sqrt(p0 q0 + p1 q1)) / effect) ** 2`` with p the mean of the two rates.

    Args:
        p0: Success rate of the control arm.
        effect: Absolute difference sought.
        alpha: Level of the test.
        beta: Chance to miss the effect.
        sides: 1 or 2.

    Reference: Fleiss, Levin and Paik (2003), section 4.2, without continuity correction.
    """
    p1 = p0 + effect
    middle = (p0 + p1) / 2
    near, far = normal_quantile(1 - alpha / sides), normal_quantile(1 - beta)
    spread = near * math.sqrt(2 * middle * (1 - middle)) + far * math.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
    return (spread / effect) ** 2


def default_n_max(design: SprtDesign) -> int:
    """Where a test is cut off unless somebody says so: at 2.25 times the fixed design."""
    size = fixed_sample_size if design.form == "one-sample" else fixed_arm_size
    return math.ceil(MAX_FIXED_MULTIPLE * size(design.p0, design.effect, alpha=design.alpha, beta=design.beta))


def expected_observations(design: SprtDesign, chance: float, counted: float = 1.0) -> float:
    """Wald's approximation of the mean number of observations until a decision.

    ``E[n] = (L ln B + (1 - L) ln A) / E[step]``, L being the chance to reject; overshoot and ``n_max`` are left out.

    Args:
        design: The test.
        chance: True chance of a win among observations that count.
        counted: Share of observations that count: 1 of the one-sample form, the share of pairs that disagree else.

    Raises:
        ValueError: If a number is out of range, or H1 excludes losses.

    Reference: Wald (1945), sections 3.4 and 4.
    """
    open_unit(chance, name="chance")
    if not 0 < counted <= 1:
        raise ValueError(f"counted: received {counted}, need a number above 0 and at most 1")
    if math.isinf(design.loss):
        raise ValueError("p0 + effect is 1: a single loss decides, and there is no approximation")
    root = _wald_root(design, chance)
    low, high = design.lower, design.upper
    drift = chance * design.win + (1 - chance) * design.loss
    if abs(root) < 1e-9:  # no drift
        variance = chance * design.win**2 + (1 - chance) * design.loss**2
        return -low * high / variance / counted
    rejected = (math.exp(root * high) - 1) / (math.exp(root * high) - math.exp(root * low))
    return (rejected * low + (1 - rejected) * high) / drift / counted


def _wald_root(design: SprtDesign, chance: float) -> float:
    """The h other than 0 with ``E[exp(h step)] = 1``: 1 under H0, -1 under H1, 0 without drift."""

    def excess(h: float) -> float:
        return chance * math.exp(h * design.win) + (1 - chance) * math.exp(h * design.loss) - 1

    drift = chance * design.win + (1 - chance) * design.loss
    if abs(drift) < 1e-12:
        return 0.0
    sign = -1.0 if drift > 0 else 1.0
    near, far = sign * 1e-9, sign
    while excess(far) < 0:
        near, far = far, 2 * far
    for _ in range(200):
        middle = (near + far) / 2
        near, far = (middle, far) if excess(middle) < 0 else (near, middle)
    return far
