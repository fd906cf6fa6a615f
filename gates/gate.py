"""What a gate is: its input, checks that read it, and one rule that turns their answers into a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

from pydantic import Field, model_validator

from core.candidate import ProgramPrompts
from core.catalog import did_you_mean
from core.errors import BudgetError, ModelError, Problem
from core.evaluation import Evaluation, Usage
from core.section import Section
from core.verdict import Check, CheckStatus, Decision, Evidence, Verdict
from gates.copying import CorpusText
from gates.records import Record

LIFT, NOT_WORSE = "lift", "not worse"
"""The check of the comparison itself, by what it was asked to prove."""
HOPELESS = 0.01
"""Below this share of a row's standard deviation a lift would take some hundred thousand rows to prove."""


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
class GateInput:
    """All evidence that a check may need about one challenger and one champion.

    Attributes:
        champion: The champion on the holdout rows.
        challenger: The challenger on the same rows in the same order.
        champion_prompts: The champion's prompts.
        challenger_prompts: The challenger's prompts.
        search: Mean scores of champion and challenger on rows that the search could see; None where unknown.
        corpus: All rows' texts, with their splits.
        constant: The best constant answer on the holdout rows.
        no_constant: Why none could be looked for; empty where nobody looked, or where it was found.
        opening: How many times this holdout has been opened, this one included.
        spent: What the whole run has paid, holdout included; None when unknown.
        by_gold: Whether the score itself is agreement with gold, so that no judge can be flattered.
        truth: Agreement with gold of champion and challenger, where the score is something else.
        judged: Whether a judge takes part in the score.
        kind: The gold field that says what kind of row it is.
        records: What was judged before this comparison, oldest first.
        ask: Runs either program on any inputs.
        rescore: Evaluates other prompts on the holdout rows.
        example: Inputs of an ordinary row; what a red-team text is put into.
        text_input: Which of them carries the text.
        threads: Calls in flight.
    """

    champion: Evaluation
    challenger: Evaluation
    champion_prompts: ProgramPrompts
    challenger_prompts: ProgramPrompts
    search: tuple[float | None, float | None] = (None, None)
    corpus: tuple[CorpusText, ...] = ()
    constant: Evaluation | None = None
    no_constant: str = ""
    opening: int = 1
    spent: Usage | None = None
    by_gold: bool = False
    truth: tuple[Evaluation, Evaluation] | None = None
    judged: bool = False
    kind: str | None = None
    records: tuple[Record, ...] = ()
    ask: Ask | None = None
    rescore: Rescore | None = None
    example: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text_input: str = "text"
    threads: int = 1


@dataclass(frozen=True)
class TaskFacts:
    """What a gate's settings are checked against before anything is run.

    Attributes:
        holdout: How many rows the holdout has.
        fields: What the metric reports beside the score; None where only running it would tell.
    """

    holdout: int
    fields: tuple[str, ...] | None = None

    def unknown(self, key: str, name: str) -> tuple[Problem, ...]:
        """The mistake that a field is which the metric does not report; none where that is not known."""
        if self.fields is None or name in self.fields:
            return ()
        known = ", ".join(self.fields) or "none"
        said = f"the metric reports no field {name!r}; it reports: {known}"
        return (Problem("", None, key, said, did_you_mean(name, self.fields)),)


class GateCheck(Protocol):
    """One question to the gate's input; those that a task file can set are a :class:`CheckSection` as well."""

    @property
    def name(self) -> str:
        """What people type, and what stands before its reasons."""
        ...

    @property
    def required(self) -> bool:
        """Whether a promotion needs it to pass."""
        ...

    @property
    def asks(self) -> bool:
        """Whether it calls models; then it is asked last, and only when nothing else stands against a promotion."""
        ...

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Answer with at least one check."""
        ...


class CheckSection(Section):
    """A check that a task file can set, and the section it is set by: its fields are the keys, with their defaults.

    To add one: a file with such a class, and its line in ``gates/catalog.py``. Its name, its summary, and whether it
    asks models are said where the class is declared: ``class Overfit(CheckSection, name=..., summary=...)``.
    """

    _name: ClassVar[str]
    _summary: ClassVar[str]
    _asks: ClassVar[bool]

    enabled: bool = Field(default=True, description="Whether the check is asked.")
    required: bool = Field(default=True, description="Whether a promotion needs it to pass.")

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = cast(Mapping[str, Any], value)
        return {key: setting for key, setting in given.items() if setting is not None}

    def __init_subclass__(cls, *, name: str = "", summary: str = "", asks: bool = False, **others: Any) -> None:
        super().__init_subclass__(**others)
        cls._name, cls._summary, cls._asks = name, summary, asks

    @property
    def name(self) -> str:
        """What people type, and what stands before its reasons."""
        return self._name

    @property
    def summary(self) -> str:
        """One line on what it asks."""
        return self._summary

    @property
    def asks(self) -> bool:
        """Whether it calls models; then it is asked last, and only when nothing else stands against a promotion."""
        return self._asks

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Answer with at least one check."""
        raise NotImplementedError

    def runs(self, holdout: int) -> int:
        """How many program runs it adds at most; ``holdout`` counts the holdout's rows."""
        return 0

    def within(self, root: Path) -> Self:
        """The same check with its relative paths in a workspace."""
        return self

    def problems(self, facts: TaskFacts) -> tuple[Problem, ...]:
        """What of its settings cannot work for a task; keys count from the check's own section, files are left open."""
        return ()


@runtime_checkable
class Measures(Protocol):
    """A check that also measures the lift."""

    def measure(self, gate_input: GateInput) -> Evidence | None:
        """The paired comparison; None when it cannot be made."""
        ...


def decide(
    checks: Sequence[GateCheck], gate_input: GateInput, known: Mapping[str, tuple[Check, ...]] | None = None
) -> Verdict:
    """PROMOTE when every required check passes, and nothing else promotes.

    Where nothing could be compared, because rows lack an outcome, the verdict is INCONCLUSIVE unless a required check
    fails. Where it could, a required check that was not evaluated means HOLD as well, with one exception: a lift that
    alone is open and points upward is INCONCLUSIVE. A check that is not required changes nothing. One that raises is
    kept as not evaluated with the error; a budget that ends or a model that is down ends the run instead, because then
    nothing was decided.

    Args:
        checks: What is asked.
        gate_input: What is known.
        known: Answers that are taken as they are, by the name of the check that gave them.

    Raises:
        ValueError: If there are no checks, or the two evaluations are not of the same rows in the same order.
        BudgetError: If the budget ends while a check asks.
        ModelError: If the model is down while a check asks.
    """
    if not checks:
        raise ValueError("a gate without checks would promote anything; received none, need at least one")
    if gate_input.champion_prompts.hash == gate_input.challenger_prompts.hash:
        return same_prompt()
    if [r.row_id for r in gate_input.champion.rows] != [r.row_id for r in gate_input.challenger.rows]:
        raise ValueError("unpaired evidence: the two evaluations are not of the same rows in the same order")
    found: list[Check] = []
    for gate_check in sorted(checks, key=lambda c: c.asks):
        if gate_check.asks and _open(found):
            message = "not asked, to save calls: the verdict does not depend on it any more"
            found.append(Check(gate_check.name, CheckStatus.NOT_EVALUATED, message, required=False))
        elif known is not None and gate_check.name in known:
            found += known[gate_check.name]
        else:
            found += _run(gate_check, gate_input)
    return _verdict(tuple(found), _measured(checks, gate_input))


def same_prompt(
    message: str = "challenger and champion are the same prompt, so there is nothing to promote",
) -> Verdict:
    """The verdict on a challenger that is the champion; no evidence is needed for it."""
    return Verdict(Decision.HOLD, (f"[no-op] {message}",), (Check("no-op", CheckStatus.FAIL, message),))


def _open(checks: Sequence[Check]) -> list[Check]:
    return [check for check in checks if check.required and check.status is not CheckStatus.PASS]


def _run(gate_check: GateCheck, gate_input: GateInput) -> tuple[Check, ...]:
    try:
        found = gate_check.check(gate_input)
    except (BudgetError, ModelError):
        raise
    except Exception as error:  # noqa: BLE001 - a check is anybody's code; what it raised is stored
        found = (Check(gate_check.name, CheckStatus.NOT_EVALUATED, f"{type(error).__name__}: {error}"),)
    if not found:
        found = (Check(gate_check.name, CheckStatus.NOT_EVALUATED, "the check said nothing"),)
    return found if gate_check.required else tuple(replace(check, required=False) for check in found)


def _measured(checks: Sequence[GateCheck], gate_input: GateInput) -> Evidence | None:
    for gate_check in checks:
        if isinstance(gate_check, Measures):
            try:
                return gate_check.measure(gate_input)
            except ValueError:  # the check itself has said so
                return None
    return None


def _verdict(checks: tuple[Check, ...], evidence: Evidence | None) -> Verdict:
    still_open = _open(checks)
    if not still_open and evidence is not None:
        reasons = tuple(_reason(c) for c in checks if c.name in (LIFT, NOT_WORSE)) or ("every check passed",)
        return Verdict(Decision.PROMOTE, reasons, checks, evidence)
    failed = [check for check in still_open if check.status is CheckStatus.FAIL]
    if evidence is None:
        reasons = tuple(_reason(check) for check in still_open) or ("nothing could be compared",)
        return Verdict(Decision.HOLD if failed else Decision.INCONCLUSIVE, reasons, checks)
    reasons = tuple(_reason(check) for check in still_open)
    if all(c.name in (LIFT, NOT_WORSE) for c in still_open) and evidence.delta > evidence.margin:
        return Verdict(Decision.INCONCLUSIVE, (*reasons, *_remedy(evidence)), checks, evidence)
    return Verdict(Decision.HOLD, reasons, checks, evidence)


def _reason(check: Check) -> str:
    return f"[{check.name}] {check.message}"


def _remedy(evidence: Evidence) -> tuple[str, ...]:
    """What would settle an inconclusive verdict."""
    from stats import rows_to_promote, rows_to_show
    from stats.paired import TWO_POINT

    if evidence.mde is None or evidence.sd is None:
        return ()
    shown = f"{evidence.n} rows can show a lift of {evidence.mde:.3f} with 80 % power"
    if evidence.delta - evidence.margin < HOPELESS * evidence.sd:
        return (f"{shown}; no number of rows worth paying for would settle a lift as small as {evidence.delta:+.2g}",)
    rows = rows_to_show(evidence.delta - evidence.margin, 1 + evidence.delta, evidence.sd, evidence.alpha)
    if rows is not None and evidence.method == TWO_POINT and evidence.wins > evidence.losses:
        won, lost = evidence.wins / evidence.n, evidence.losses / evidence.n
        margin = evidence.margin * (won - lost) / evidence.delta  # in wins and losses
        rows = rows_to_promote(won, lost, rows, alpha=evidence.alpha, margin=margin)
    if rows is None:
        return (shown,)
    return (f"{shown}; about {max(rows, evidence.n + 1)} rows would settle a true lift of {evidence.delta:+.3f}",)
