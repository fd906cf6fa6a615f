"""Has every row that was dealt an outcome for both prompts?"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from core.evaluation import RowResult, RowStatus
from core.verdict import Check, CheckStatus
from gates.gate import CheckSection, GateInput


class Coverage(CheckSection, name="coverage", summary="every holdout row has an outcome for both prompts"):
    """Stays open when too many holdout rows lack an outcome; then nothing is compared. Part of every gate.

    An answer that a prompt made unreadable is that prompt's outcome; what a model or a metric failed on is not. Rows
    that may lack a score are not left out but bounded: as unkindly to the challenger as can be.
    """

    share: float = Field(
        default=1.0, gt=0, le=1, description="Rows that a model or metric error must not touch, for either prompt."
    )
    unreadable: Literal["bound", "refuse"] = Field(
        default="bound",
        description="An answer that cannot be parsed: bound takes it as unkindly to the challenger as can be, "
        "refuse counts it as an error.",
    )

    @model_validator(mode="after")
    def _is_always_asked(self) -> Self:
        if not (self.enabled and self.required):
            raise ValueError("coverage is part of every gate; to let more rows lack an outcome, lower its share")
        return self

    def check(self, gate_input: GateInput) -> tuple[Check, ...]:
        """Count the rows that an error touches on either side."""
        pairs = list(zip(gate_input.champion.rows, gate_input.challenger.rows, strict=True))
        if not any(a.score is not None and b.score is not None for a, b in pairs):
            what = "no holdout row has a score of both prompts" if pairs else "the holdout has no rows"
            return (Check(self.name, CheckStatus.NOT_EVALUATED, f"{what}{self._first(pairs)}"),)
        touched = [pair for pair in pairs if any(self._is_error(row) for row in pair)]
        share = 1 - len(touched) / len(pairs)
        evidence = {"share": share, "rows": [a.row_id for a, _ in touched[:20]]}
        if len(touched) > (1 - self.share) * len(pairs) + 1e-9:
            message = (
                f"{len(pairs) - len(touched)} of {len(pairs)} rows have an outcome for both prompts, needed are "
                f"{100 * self.share:g} %{self._first(touched)}; run it again: what was answered is not paid again"
            )
            return (Check(self.name, CheckStatus.NOT_EVALUATED, message, evidence=evidence),)
        return (Check(self.name, CheckStatus.PASS, self._complete(pairs, touched), evidence=evidence),)

    def _is_error(self, row: RowResult) -> bool:
        is_outcome = row.status is RowStatus.PARSE_ERROR and self.unreadable == "bound"
        return row.status is not RowStatus.OK and not is_outcome

    def _first(self, pairs: list[tuple[RowResult, RowResult]]) -> str:
        for a, b in pairs:
            for name, row in (("champion", a), ("challenger", b)):
                if row.status is not RowStatus.OK:
                    return f": {row.row_id} ({name}: {row.status}{': ' + row.error if row.error else ''})"
        return ""

    def _complete(self, pairs: list[tuple[RowResult, RowResult]], touched: list[tuple[RowResult, RowResult]]) -> str:
        lacking = sum(a.score is None or b.score is None for a, b in pairs)
        if not lacking:
            return f"all {len(pairs)} rows are scored for both prompts"
        what = [f"{lacking - len(touched)} unreadable"] if lacking > len(touched) else []
        what += [f"{len(touched)} with an error"] if touched else []
        return f"{len(pairs) - lacking} of {len(pairs)} rows are scored for both prompts; bounded: {', '.join(what)}"
