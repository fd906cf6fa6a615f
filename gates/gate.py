"""What a gate is: a dossier of evidence, checks that read it, and one rule that turns checks into a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from core.candidate import ProgramPrompts
from core.errors import BudgetError, ModelError
from core.evaluation import Evaluation, Usage
from core.verdict import Check, CheckStatus, Decision, Evidence, Verdict
from gates.copying import CorpusText
from gates.holdout import LIFT, remedy

LAYERS = (
    "install", "typecheck", "build", "lint", "test", "compile", "schema", "sandbox", "unit_tests", "integration_tests",
)  # fmt: skip
"""Scores that a machine gives and no judge: what they say cannot be talked up."""


@dataclass(frozen=True)
class Reply:
    """What a program said to one input.

    Attributes:
        text: Everything it produced, as text; where it could not be parsed, what the model wrote.
        tools: Names of the tools it called.
        error: Why there is no answer; such a case is neither passed nor failed.
    """

    text: str
    tools: tuple[str, ...] = ()
    error: str | None = None


class Ask(Protocol):
    """Runs the program with some prompts on any inputs, through the ledger."""

    def __call__(self, prompts: ProgramPrompts, inputs: Mapping[str, Any], repeat: int = 0) -> Reply:
        """Answer; another ``repeat`` is really asked again."""
        ...


class Rescore(Protocol):
    """Evaluates other prompts on the holdout rows."""

    def __call__(self, prompts: ProgramPrompts) -> Evaluation:
        """Evaluate."""
        ...


@dataclass(frozen=True)
class Record:
    """One judged thing of the recent past, whatever was judged: a row, a run.

    Attributes:
        name: Which one it is.
        proxy: The score that is optimised.
        truth: What the score stands for, such as agreement with gold.
        layers: Scores by machine checks, by name.
        confidence: How sure the judge was.
        fallback: Whether the judge fell back to a default answer.
        category: What kind of thing it is.
    """

    name: str
    proxy: float | None = None
    truth: float | None = None
    layers: Mapping[str, float] = field(default_factory=dict[str, float])
    confidence: float | None = None
    fallback: bool = False
    category: str | None = None

    @property
    def deterministic(self) -> float | None:
        """Mean of the machine checks' scores; None without any."""
        scores = [score for name, score in self.layers.items() if name in LAYERS]
        return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True)
class GateInput:
    """All evidence that a check may need about one challenger and one champion.

    Attributes:
        baseline: The champion on the holdout rows.
        candidate: The challenger on the same rows in the same order.
        baseline_prompts: The champion's prompts.
        candidate_prompts: The challenger's prompts.
        search: Mean scores of champion and challenger on rows that the search could see; None where unknown.
        corpus: All rows' texts, with their splits.
        constant: The best constant answer on the holdout rows.
        opening: How many times this holdout has been opened, this one included.
        spent: What the whole run has paid, holdout included; None when unknown.
        by_gold: Whether the score itself is agreement with gold, so that no judge can be flattered.
        truth: Agreement with gold of champion and challenger, where the score is something else.
        judged: Whether a judge takes part in the score.
        records: What was judged before this comparison, oldest first.
        ask: Runs either program on any inputs.
        rescore: Evaluates other prompts on the holdout rows.
        example: Inputs of an ordinary row; what a red-team text is put into.
        text_input: Which of them carries the text.
        threads: Calls in flight.
    """

    baseline: Evaluation
    candidate: Evaluation
    baseline_prompts: ProgramPrompts
    candidate_prompts: ProgramPrompts
    search: tuple[float | None, float | None] = (None, None)
    corpus: tuple[CorpusText, ...] = ()
    constant: Evaluation | None = None
    opening: int = 1
    spent: Usage | None = None
    by_gold: bool = False
    truth: tuple[Evaluation, Evaluation] | None = None
    judged: bool = False
    records: tuple[Record, ...] = ()
    ask: Ask | None = None
    rescore: Rescore | None = None
    example: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text_input: str = "text"
    threads: int = 1


class GateCheck(Protocol):
    """One question to the dossier; a frozen dataclass whose fields are its YAML keys."""

    @property
    def name(self) -> str:
        """What people type, and what stands before its reasons."""
        ...

    @property
    def summary(self) -> str:
        """One line on what it asks."""
        ...

    @property
    def required(self) -> bool:
        """Whether a promotion needs it to pass."""
        ...

    @property
    def asks(self) -> bool:
        """Whether it calls models; then it is asked last, and only when nothing else stands against a promotion."""
        ...

    def check(self, dossier: GateInput) -> tuple[Check, ...]:
        """Answer with at least one check."""
        ...


@runtime_checkable
class Measures(Protocol):
    """A check that also measures the lift."""

    def measure(self, dossier: GateInput) -> Evidence | None:
        """The paired comparison; None when it cannot be made."""
        ...


def decide(
    checks: Sequence[GateCheck], dossier: GateInput, known: Mapping[str, tuple[Check, ...]] | None = None
) -> Verdict:
    """PROMOTE when every required check passes, and nothing else promotes.

    A required check that was not evaluated means HOLD, with one exception: a lift that alone is open and points upward
    is INCONCLUSIVE. A check that raises is kept as not evaluated with the error; a budget that ends or a model that is
    down ends the run instead, because then nothing was decided.

    Args:
        checks: What is asked.
        dossier: What is known.
        known: Answers that are taken as they are, by the name of the check that gave them.

    Raises:
        ValueError: If there are no checks.
        BudgetError: If the budget ends while a check asks.
        ModelError: If the model is down while a check asks.
    """
    if not checks:
        raise ValueError("a gate without checks would promote anything; received none, need at least one")
    if dossier.baseline_prompts.hash == dossier.candidate_prompts.hash:
        return same_prompt()
    found: list[Check] = []
    for gate_check in sorted(checks, key=lambda c: c.asks):
        if gate_check.asks and _open(found):
            message = "not asked, to save calls: the verdict does not depend on it any more"
            found.append(Check(gate_check.name, CheckStatus.NOT_EVALUATED, message, required=False))
        elif known is not None and gate_check.name in known:
            found += known[gate_check.name]
        else:
            found += _run(gate_check, dossier)
    return _verdict(tuple(found), _measured(checks, dossier))


def same_prompt() -> Verdict:
    """The verdict on a challenger that is the champion; no evidence is needed for it."""
    message = "challenger and champion are the same prompt, so there is nothing to promote"
    return Verdict(Decision.HOLD, (f"[no-op] {message}",), (Check("no-op", CheckStatus.FAIL, message),))


def _open(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.required and check.status is not CheckStatus.PASS]


def _run(gate_check: GateCheck, dossier: GateInput) -> tuple[Check, ...]:
    try:
        found = gate_check.check(dossier)
    except (BudgetError, ModelError):
        raise
    except Exception as error:  # noqa: BLE001 - a check is anybody's code; what it raised is stored
        found = (Check(gate_check.name, CheckStatus.NOT_EVALUATED, f"{type(error).__name__}: {error}"),)
    if not found:
        found = (Check(gate_check.name, CheckStatus.NOT_EVALUATED, "the check said nothing"),)
    return found if gate_check.required else tuple(replace(check, required=False) for check in found)


def _measured(checks: Sequence[GateCheck], dossier: GateInput) -> Evidence | None:
    for gate_check in checks:
        if isinstance(gate_check, Measures):
            try:
                return gate_check.measure(dossier)
            except ValueError:  # the check itself has said so
                return None
    return None


def _verdict(checks: tuple[Check, ...], evidence: Evidence | None) -> Verdict:
    still_open = _open(checks)
    if not still_open:
        reasons = tuple(f"[{c.name}] {c.message}" for c in checks if c.name == LIFT) or ("every check passed",)
        return Verdict(Decision.PROMOTE, reasons, checks, evidence)
    reasons = tuple(f"[{check.name}] {check.message}" for check in still_open)
    if all(c.name == LIFT for c in still_open) and evidence is not None and evidence.delta > evidence.margin:
        return Verdict(Decision.INCONCLUSIVE, (*reasons, *remedy(evidence)), checks, evidence)
    return Verdict(Decision.HOLD, reasons, checks, evidence)


def row_records(judged: Evaluation, truth: Evaluation | None, confidence: str = "confidence") -> tuple[Record, ...]:
    """A record of every row that has a score; ``confidence`` is the metric's field that says how sure the judge is."""
    real = {row.row_id: row.score for row in truth.rows} if truth is not None else {}
    return tuple(
        Record(row.row_id, row.score, real.get(row.row_id), confidence=row.fields.get(confidence))
        for row in judged.scored
    )
