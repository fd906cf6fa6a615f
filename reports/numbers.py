"""Numbers for people: what is not known is said so, and never becomes zero or ``nan``."""

from __future__ import annotations

import math

UNKNOWN = "unknown"
LEAST = 1e-5
"""Differences below this are of rounding, and shown as 0."""


def finite(value: float | None) -> float | None:
    """The number, or None where there is none that could be shown or drawn."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None, digits: int = 3) -> str:
    """A score or another plain number with a fixed count of decimals."""
    known = finite(value)
    return UNKNOWN if known is None else _large(known) or f"{known:.{digits}f}"


def measure(value: float | None) -> str:
    """A quantity that need not be a share of 1: fewer decimals the larger it is."""
    return number(value, 3 if abs(finite(value) or 0.0) < 10 else 1)


def signed(value: float | None) -> str:
    """A difference with its sign; one that three decimals would hide has more."""
    known = finite(value)
    if known is None:
        return UNKNOWN
    return _large(known) or (f"{known:+.1g}" if LEAST <= abs(known) < 5e-4 else f"{known:+.3f}")


def span(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """An interval from its two ends."""
    if finite(low) is None or finite(high) is None:
        return UNKNOWN
    form = signed if sign else number
    return f"{form(low)} to {form(high)}"


def dollars(value: float | None) -> str:
    """US dollars; small amounts keep four decimals."""
    known = finite(value)
    if known is None:
        return UNKNOWN
    large = _large(known)
    if large:
        return f"${large}"
    return f"${known:,.2f}" if abs(known) >= 1 or known == 0 else f"${known:,.4f}"


def money_word(*, nominal: bool) -> str:
    """What dollars are called: those of embedded models are nobody's."""
    return "nominal dollars" if nominal else "dollars"


def seconds(value: float | None) -> str:
    """A duration in seconds."""
    known = finite(value)
    return UNKNOWN if known is None else f"{_large(known) or f'{known:.2f}'} s"


def quantity(value: float | None, unit: str) -> str:
    """An amount in its unit: usd, tokens, seconds, steps, or a share or score, which is a plain number."""
    known = finite(value)
    if known is None:
        return UNKNOWN
    if unit == "usd":
        return dollars(known)
    if unit == "seconds":
        return seconds(known)
    if unit in ("tokens", "sessions"):
        return _large(known) or f"{known:,.0f}"
    return f"{known:,.1f}" if unit == "steps" else number(known)


def percent(value: float | None) -> str:
    """A share of 1 as per cent, with as many digits as it needs."""
    known = finite(value)
    return UNKNOWN if known is None else f"{100 * known:.3g} %"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun, as in ``1 cell`` and ``2 cells``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _large(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 1e7 else ""


BESIDE = {
    "compression": "words saved",
    "coverage": "reference covered",
    "grounding": "grounded in the input",
    "sentence_words": "words a sentence",
    "reference_first": "reference shown first",
    "judge_spread": "spread of judgements",
    "failed_judgements": "judgements that failed",
    "flipped": "flipped with the order",
}
"""What the measures beside a score are called in a report."""


def beside(name: str) -> str:
    """A measure beside the score in words."""
    return BESIDE.get(name, name.replace("_", " "))
