"""The card of a judge as a page: is it right, is it swayed by order, how much does it scatter, what can it show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.cells import JudgeCard, ScoreEstimate
from reports.blocks import Banner, Block, Bullets, CalibrationChart, Commands, Heading, Paragraph, Report, shorten
from reports.judge import NOTE_CHARS, measures
from reports.numbers import counted, finite, number, percent, span

OFFLINE = (
    "The judge is the embedded offline stand-in, not a language model. What is measured is real and says nothing "
    "about any language model."
)


@dataclass(frozen=True)
class JudgeUse:
    """What a judge is for.

    Attributes:
        sought: The lift that a search with it looks for.
        margin: How much worse is still good enough in a matrix.
        refusal: Why a search must not begin with it; None when it may.
        offline: Whether the embedded model judged.
    """

    sought: float
    margin: float
    refusal: str | None = None
    offline: bool = False


def judge_report(
    card: JudgeCard,
    task: str,
    use: JudgeUse,
    *,
    links: Mapping[str, str] | None = None,
    workspace: str | None = None,
) -> Report:
    """Build the page of a judge's card; nothing on it says more than was measured."""
    place = f" --workspace {workspace}" if workspace else ""
    blocks: list[Block] = [
        judge_banner(card, use),
        *([Banner("Offline stand-in", OFFLINE, "note")] if use.offline else []),
        Heading("Next"),
        Commands(tuple((command + place, why) for command, why in _next(card, task, use))),
        *_agreement(card),
        *_order(card),
        *_noise(card, use),
        Heading("All measures"),
        measures(card, use.margin),
        *([Bullets(tuple(shorten(note, NOTE_CHARS) for note in card.notes))] if card.notes else []),
    ]
    return Report(f"{task}: how far the judge can be trusted", tuple(blocks), dict(links or {}))


def judge_banner(card: JudgeCard, use: JudgeUse) -> Banner:
    """The answer first; without agreement there is none, however steady the judge is."""
    if use.refusal is not None:
        return Banner("Do not use it yet", f"{_sentence(use.refusal)}.", "bad")
    steady = (
        f"Its noise lets the planned rows show lifts from {number(card.resolvable)} on"
        if finite(card.resolvable)
        else "Asked again, it gave the same scores"
    )
    name, whom, agreed, chance = best_agreement(card)
    if agreed is None:
        return Banner(
            "Agreement not measured",
            f"{_unmeasured(card)} Whether {card.judge} is right is not known. {steady}. "
            "Next: rate outputs and examine it on them.",
            "open",
        )
    figures = f"{name} {number(agreed.value)} ({span(agreed.low, agreed.high)}, {counted(agreed.n, 'row')})"
    if agreed.value < chance and agreed.high < chance:
        return Banner("It judges the wrong way round", f"{_sentence(figures)}; chance is {chance:g}.", "bad")
    if agreed.low <= chance:
        more = f"The interval includes chance ({chance:g}). Next: more rated outputs, or a clearer rubric."
        return Banner(f"Not shown to agree with {whom}", f"{_sentence(figures)}. {more}", "bad")
    return Banner(f"It agrees with {whom} better than chance", f"{_sentence(figures)}. {steady}.", "good")


def best_agreement(card: JudgeCard) -> tuple[str, str, ScoreEstimate | None, float]:
    """What was measured of agreement and with what, most telling first, and what chance would give."""
    for name, whom, found, chance in (
        ("rank agreement", "the gold scores", card.spearman, 0.0),
        ("agreement", "people's preferences", card.preference, 0.5),
        ("agreement", "the gold scores", card.kappa, 0.0),
    ):
        if found is not None and finite(found.value) is not None:
            return name, whom, found, chance
    return "agreement", "", None, 0.0


def _next(card: JudgeCard, task: str, use: JudgeUse) -> list[tuple[str, str]]:
    rate = (f"python cli.py annotate {task}", "rate outputs, or say which of two is better")
    again = (f"python cli.py judge-card {task} --scores FILE", "examine it on what people have rated")
    if use.refusal is not None:
        return [(f"python cli.py judge-card {task} --planned 200", "see what more rows would let it show"), rate]
    _, _, agreed, chance = best_agreement(card)
    if agreed is None:
        return [rate, again]
    if agreed.low <= chance:
        return [
            (f"python cli.py judge-card {task} --set judge.model=MODEL", "examine another model as the judge"),
            rate,
        ]
    return [(f"python cli.py matrix {task}", "compare prompts and models with it"), rate]


def _agreement(card: JudgeCard) -> list[Block]:
    if best_agreement(card)[2] is None:
        said = f"Not measured. {_unmeasured(card)} How steady a judge is does not say whether it is right."
        return [Heading("Is it right?"), Paragraph(said), *_scatter(card)]
    parts = [
        f"{name}: {number(found.value)}, 95 % interval {span(found.low, found.high)}, {counted(found.n, 'row')}"
        for name, found in (
            ("Rank agreement (Spearman; 0 is chance, 1 is perfect)", card.spearman),
            ("Agreement to a tenth (weighted kappa; 0 is chance, 1 is perfect)", card.kappa),
            ("Agreement with people's preferences (0.5 is chance, 1 is perfect)", card.preference),
        )
        if found is not None
    ]
    return [Heading("Is it right?"), Bullets(tuple(parts)), *_scatter(card)]


def _unmeasured(card: JudgeCard) -> str:
    if card.points:
        return f"{counted(len(card.points), 'rated output')} from {counted(card.rows, 'row')} are too few to say."
    return "Nobody has rated these outputs."


def _scatter(card: JudgeCard) -> list[Block]:
    if not card.points:
        return []
    said = (
        "A dot is an output: the gold score from left to right, the judge's from bottom to top. On the dashed line "
        "both are equal; above it the judge is too kind."
    )
    return [Paragraph(said), CalibrationChart(card.points)]


def _order(card: JudgeCard) -> list[Block]:
    flips, bias = card.flip_rate, card.order_bias
    if flips is None and bias is None:
        return [Heading("Does the order of the answers sway it?"), Paragraph("Not measured.")]
    said = []
    if flips is not None:
        said.append(
            f"Flips when the order is swapped: {percent(flips.value)} of preferences "
            f"({percent(flips.low)} to {percent(flips.high)}); 0 is ideal."
        )
    if bias is not None:
        said.append(f"Position bias: {bias.value:+.3f} for the answer shown second ({span(bias.low, bias.high)}).")
    return [Heading("Does the order of the answers sway it?"), Bullets(tuple(said))]


def _noise(card: JudgeCard, use: JudgeUse) -> list[Block]:
    noise = card.noise
    if noise is None:
        said = "Not measured: nothing was judged twice."
    elif not finite(noise.value):
        said = "Asked again, it gave the same scores."
    else:
        said = (
            f"Asked again, its score moves by {number(noise.value)} ({span(noise.low, noise.high)}). With that, the "
            f"planned rows show lifts from {number(card.resolvable)} on; the task looks for {number(use.sought)}."
        )
    return [Heading("How much does it scatter?"), Paragraph(said)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
