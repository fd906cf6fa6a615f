"""What a run tells whoever watches it; the null object says nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from core.candidate import Candidate
from core.evaluation import Usage
from core.experiment import PairResult
from core.optimization import LiftForecast, Plan


class Progress:
    """A listener to one run. Methods may be called from any thread; this base class ignores everything."""

    def plan(self, plan: Plan) -> None:
        """What is going to be spent; called once, before anything is."""

    def phase(self, name: str, calls: int, *, last: bool = False) -> None:
        """A phase begins that is expected to take so many model calls; ``last`` says that none comes after it."""

    def call(self, role: str, usage: Usage) -> None:
        """One model call of a role ended, and what it took; a call that the ledger knew is a hit."""

    def candidate(self, candidate: Candidate, best: Candidate) -> None:
        """A candidate was scored; ``best`` leads now."""

    def pair(self, result: PairResult) -> None:
        """A pair of sessions has entered a sequential test."""

    def outlook(self, verdicts: tuple[LiftForecast, ...], when: str) -> None:
        """What the gate will say to true lifts, by what is known now; ``when`` names the moment."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def paused(self) -> AbstractContextManager[None]:
        """Keep quiet while the block runs, because a person is asked something."""
        return nullcontext()
