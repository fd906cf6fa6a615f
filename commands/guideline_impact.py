"""``guideline-impact``: what each prompt component goes with, and why that may not be its doing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from commands.flags import Chosen, SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from sessions.components import ComponentImpact

EXAMPLE = "python cli.py guideline-impact --since 30d"


def command(place: SessionPlace, chosen: Chosen) -> Outcome:
    """Compare sessions with and without each prompt component, and warn where something else differs as well."""
    from sessions.components import FILE, ComponentTexts, impact

    texts = ComponentTexts(place.find().mlruns / FILE)
    with place.open() as store:
        kept = list(store.sessions(chosen.chain()))
    texts.add(sorted({text for session in kept for text in session.guidelines}))
    found = impact(kept, texts.texts())
    body = {"sessions": len(kept), "components": [asdict(one) for one in found], "texts": str(texts.path)}
    return Outcome(body, "\n".join(_told(one) for one in found) or "no component that some sessions have and some not")


def _told(one: ComponentImpact) -> str:
    from reports.blocks import shorten

    change, (without, having) = one.contrast, one.contrast.sessions
    interval = "" if change.low is None else f" (95 % {change.low:+.3f} to {change.high:+.3f})"
    effect = (
        "nothing to compare" if change.effect is None else f"{change.effect:+.3f}{interval}, p {change.p_adjusted:.4f}"
    )
    lines = [
        f"{one.hash[:8]}  {shorten(one.text or '(text not recorded)', 80)}",
        f"    {effect}; {having:,} sessions with, {without:,} without; {change.method}",
        *(f"    confounded: {warning}" for warning in one.warnings),
    ]
    return "\n".join(lines)
