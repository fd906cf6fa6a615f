"""A judge's card as blocks: each number with its interval and one sentence that says what it means."""

from __future__ import annotations

from core.cells import JudgeCard, ScoreEstimate
from reports.blocks import Block, Bullets, CalibrationChart, Paragraph, Table, shorten
from reports.numbers import counted, finite, number, percent, span

NOTE_CHARS = 400


def judge_blocks(card: JudgeCard, margin: float) -> list[Block]:
    """What the judge can be trusted with; ``margin`` is what a comparison has to resolve, on the [0, 1] scale."""
    blocks: list[Block] = [
        Paragraph(f"{card.judge}, examined on {counted(card.rows, 'row')}."),
        measures(card, margin),
    ]
    if card.points:
        blocks.append(CalibrationChart(card.points))
    if card.notes:
        blocks.append(Bullets(tuple(shorten(note, NOTE_CHARS) for note in card.notes)))
    return blocks


def measures(card: JudgeCard, margin: float) -> Table:
    """Each number of the card with its interval and what it means."""
    rows = (
        _row(
            "rank agreement (Spearman)",
            card.spearman,
            _agreement(card.spearman, "orders answers as the gold scores do"),
        ),
        _row("agreement (weighted kappa)", card.kappa, _agreement(card.kappa, "gives the gold score, to a tenth,")),
        _row("agreement with people's preferences", card.preference, _preference(card.preference)),
        _row("flips when the order is swapped", card.flip_rate, _flips(card.flip_rate)),
        _row("position bias", card.order_bias, _pull(card.order_bias)),
        _row("noise of one score", card.noise, _noise(card.noise)),
        _row("reference judged against itself", card.self_score, _self(card.self_score)),
        ("smallest lift it can show", number(card.resolvable), "-", "-", _resolvable(card.resolvable, margin)),
        ("unusable judgements", f"{card.failed:,}", "-", "-", "Left out, never scored 0."),
    )
    return Table(
        ("measure", "value", "95 % interval", "measured on", "what it means"), rows, (1, 2, 3), first=(0, 1, 2, 4)
    )


def _row(name: str, estimate: ScoreEstimate | None, meaning: str) -> tuple[str, ...]:
    if estimate is None:
        return (name, "-", "-", "-", "Not measured.")
    return (name, number(estimate.value), span(estimate.low, estimate.high), f"{estimate.n:,}", meaning)


def _value(estimate: ScoreEstimate | None) -> float | None:
    return None if estimate is None else finite(estimate.value)


def _covers(estimate: ScoreEstimate | None, value: float) -> bool:
    if estimate is None or finite(estimate.low) is None or finite(estimate.high) is None:
        return True
    return estimate.low <= value <= estimate.high


def _agreement(estimate: ScoreEstimate | None, what: str) -> str:
    if _covers(estimate, 0.0):
        return f"It is not shown that it {what} any better than chance (0)."
    if (_value(estimate) or 0.0) < 0:
        return f"It {what} worse than chance (0): it judges the wrong way round."
    return f"It {what} better than chance (0); 1 would be perfect."


def _preference(estimate: ScoreEstimate | None) -> str:
    if _covers(estimate, 0.5):
        return "It is not shown that it prefers what people prefer more often than chance (0.5)."
    if (_value(estimate) or 0.0) < 0.5:
        return "It prefers what people like less: it judges the wrong way round."
    return "It prefers what people prefer more often than chance (0.5); 1 would be perfect."


def _flips(estimate: ScoreEstimate | None) -> str:
    share = _value(estimate)
    if share is None:
        return "How often a preference flips when the two answers change places."
    return f"{percent(max(0.0, share))} of preferences flip when the two answers change places; 0 is ideal."


def _pull(estimate: ScoreEstimate | None) -> str:
    bias = _value(estimate)
    if bias is None or _covers(estimate, 0.0):
        return "No position bias is shown; 0 is ideal."
    return f"The answer shown {'second' if bias > 0 else 'first'} gets {abs(bias):.3f} more for its place; 0 is ideal."


def _noise(estimate: ScoreEstimate | None) -> str:
    spread = _value(estimate)
    if spread is None:
        return "How far a score moves when the judge is asked again."
    return f"Asked again, a score moves by about {abs(spread):.3f}."


def _self(estimate: ScoreEstimate | None) -> str:
    score = _value(estimate)
    if score is None or _covers(estimate, 1.0):
        return "Equal texts get full marks, as they should."
    return f"Equal texts should get 1; the judge takes off {max(0.0, 1 - score):.3f}."


def _resolvable(lift: float | None, margin: float) -> str:
    known = finite(lift)
    if known is None:
        return "Not measured."
    fine = "finer than" if known < margin else "coarser than" if known > margin else "equal to"
    return f"On the planned rows, with 80 % power; {fine} the margin of {number(margin)}."
