"""Money and time as people read them."""

from __future__ import annotations


def money(cost: float | None) -> str:
    """Dollars for people; an unknown price is not zero."""
    if cost is None:
        return "unknown cost"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}"


def duration(minutes: float) -> str:
    """Minutes for people."""
    return f"{minutes:.0f} min" if minutes >= 2 else f"{minutes * 60:.0f} s"
