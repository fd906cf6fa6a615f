"""Why a verdict is what it is, and what to do about it: one sentence with the deciding reason, and one command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.optimization import Optimization
from core.verdict import Check, CheckStatus, Decision, Evidence
from reports.numbers import counted, number, percent, signed, span

CURRENT = "the current prompt"


@dataclass(frozen=True)
class Ground:
    """What a failing check means to a person.

    Attributes:
        check: The check's name, or how it begins.
        why: The reason, as the second half of "Keep the current prompt: ...".
        action: What the recommended command does.
        command: What to type; ``{task}`` and ``{seed}`` are filled in.
    """

    check: str
    why: str
    action: str
    command: str


ROWS = "python cli.py validate {task}"
DIFF = "python cli.py diff {task} {base} {run}"
SEARCH = "python cli.py optimize {task} --budget medium --seed {seed}"
GROUNDS = (
    Ground("no-op", "the search found no prompt that did better on dev", "search longer", SEARCH),
    Ground("copying", "the tuned prompt copies rows of the corpus", "search from another seed", SEARCH),
    Ground("coverage", "too many holdout rows have no score", "see which calls failed", "python cli.py calls {run}"),
    Ground("lift", "the tuned prompt is not shown to be better", "search longer", SEARCH),
    Ground("not worse", "the tuned prompt may be worse by more than is allowed", "search longer", SEARCH),
    Ground("beats a constant", "it is not shown to beat one fixed answer", "search longer", SEARCH),
    Ground("guard", "a guarded field may have got worse", "read what changed", DIFF),
    Ground("dimensions", "a field got worse behind a better total", "read what changed", DIFF),
    Ground("overfit", "what it gained in the search is not there on unseen rows", "search from another seed", SEARCH),
    Ground("budget", "it costs more than is allowed", "read what changed", DIFF),
    Ground("redteam", "it obeys hostile text that the current prompt withstands", "read what changed", DIFF),
    Ground("hacking", "its score rose without what the score stands for", "examine the judge",
           "python cli.py judge-card {task}"),
    Ground("canaries", "the judge cannot be relied on", "examine the judge", "python cli.py judge-card {task}"),
)  # fmt: skip


def banner_sentence(o: Optimization) -> str:
    """The verdict in one sentence: what to do, the deciding reason with its number, and what is next."""
    evidence, decision = o.verdict.evidence, o.verdict.decision
    current = o.had_to_beat or CURRENT
    if decision is Decision.PROMOTE and evidence is not None:
        return _use(evidence, current)
    if evidence is None:
        said = _unbracketed(o.verdict.reasons[0]) if o.verdict.reasons else "the holdout was not opened"
        return f"Keep {current}: {said.rstrip('.')}. Next: {recommended(o)[1]}."
    if decision is Decision.INCONCLUSIVE:
        return (
            f"Keep {current} for now: {_change(evidence)} on {counted(evidence.n, 'unseen row')} may be chance. "
            f"Next: {recommended(o)[1]}."
        )
    check = deciding(o)
    ground = _ground(check)
    why = ground.why if ground else check.message.rstrip(".") if check else "a check failed"
    told = f" ({_figures(check, evidence)})" if check else ""
    return f"Keep {current}: {why}{told}. Next: {recommended(o)[1]}."


def recommended(o: Optimization) -> tuple[str, str]:
    """The one command to type next, and what it is for."""
    if o.verdict.decision is Decision.PROMOTE:
        return f"python cli.py promote {o.task}", "make it the prompt that the next run has to beat"
    if o.verdict.decision is Decision.INCONCLUSIVE and o.verdict.evidence is not None:
        return ROWS.format(task=o.task), _more_rows(o.verdict.evidence)
    few = _too_few(o.verdict.checks)
    if few is not None:
        return ROWS.format(task=o.task), f"add rows; {few}"
    ground = _ground(deciding(o)) or GROUNDS[0]
    names = {"task": o.task, "seed": o.seed + 1, "run": o.run_id, "base": o.params.get("baseline", "seed")}
    return ground.command.format(**names), ground.action


def _too_few(checks: Sequence[Check]) -> str | None:
    """That no search can help while the holdout is too small to show anything; None where it is not."""
    unseen = [c for c in checks if c.required and c.name in ("lift", "not worse") and "too few" in c.message]
    return next((c.message for c in unseen if c.status is not CheckStatus.PASS), None)


def deciding(o: Optimization) -> Check | None:
    """The first required check that failed; one that could not be evaluated where none failed."""
    required = [check for check in o.verdict.checks if check.required and check.status is not CheckStatus.PASS]
    failed = [check for check in required if check.status is CheckStatus.FAIL]
    return next(iter([*failed, *required]), None)


def lift_line(evidence: Evidence) -> str:
    """The lift with its interval, after the selection that a proof is wherever it is proven."""
    proven = evidence.adjusted_low is not None
    value = evidence.delta if evidence.delta_adjusted is None else evidence.delta_adjusted
    low, high = (evidence.adjusted_low, evidence.adjusted_high) if proven else (evidence.low, evidence.high)
    name = ", adjusted for selection" if proven and evidence.delta_adjusted is not None else ""
    interval = f"{percent(1 - evidence.alpha)} interval {span(low, high, sign=True)}"
    return f"{signed(value)}{name} ({interval}, {counted(evidence.n, 'row')})"


def rows_needed(evidence: Evidence) -> int | None:
    """How many holdout rows would settle a true lift of what was seen; None where no number worth paying for would."""
    from gates.gate import HOPELESS
    from stats import rows_to_show

    gain = evidence.delta - evidence.margin
    if evidence.sd is None or gain < HOPELESS * evidence.sd:
        return None
    rows = rows_to_show(gain, 1 + evidence.delta, evidence.sd, evidence.alpha)
    return None if rows is None else max(rows, evidence.n + 1)


def _use(evidence: Evidence, current: str) -> str:
    scores = f"{number(evidence.candidate)} instead of {number(evidence.baseline)} for {current}"
    if evidence.claim == "not worse":
        return (
            f"Use the tuned prompt: on {counted(evidence.n, 'unseen row')} it scores {scores}, and is not worse by "
            f"more than {-evidence.margin:g}. Whether it is better was not asked."
        )
    return (
        f"Use the tuned prompt: on {counted(evidence.n, 'unseen row')} it scores {scores}. "
        f"The lift is proven: {lift_line(evidence)}."
    )


def _more_rows(evidence: Evidence) -> str:
    rows = rows_needed(evidence)
    if rows is None:
        return "look for a larger gain; more rows would not settle one as small as this"
    return f"add rows; about {rows:,} in the holdout would settle it (it has {evidence.n:,})"


def _change(evidence: Evidence) -> str:
    return f"{signed(evidence.delta)} ({span(evidence.low, evidence.high, sign=True)})"


def _figures(check: Check | None, evidence: Evidence) -> str:
    """The numbers of the deciding check; of the comparison its own, of another one what it says after the colon."""
    if check is None or check.name in ("lift", "not worse"):
        return f"{signed(evidence.delta)}, interval {span(evidence.low, evidence.high, sign=True)}"
    said = check.message.split(": ", 1)[-1].split(";")[0]
    return re.sub(r" \(p = [^)]*\)", "", said)


def _ground(check: Check | None) -> Ground | None:
    return None if check is None else next((g for g in GROUNDS if check.name.startswith(g.check)), None)


def _unbracketed(reason: str) -> str:
    return re.sub(r"^\[[^\]]*\] ", "", reason)
