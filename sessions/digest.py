"""A session cut to the characters that a model may be given."""

from __future__ import annotations

from collections.abc import Sequence

from core.digest import DigestSection, metadata_digest
from sessions.record import Session, Step

LADDER = ((200, 1_000), (200, 300), (60, 300), (60, 100), (24, 300), (24, 100), (12, 100), (6, 100), (0, 100))
"""How many of the last steps are shown, and how many characters of each text, from the most to the least."""
LONGEST = 1_001
"""Characters of a text that are looked at; one more than are shown, so that it is seen to be cut."""
SHOWN = ("outcome", "model", "errors", "actions", "steps_taken")


def session_digest(session: Session, provider: str, chars: int) -> str:
    """A session as JSON text of at most ``chars`` characters: task, outcome, errors, all actions by name, last steps.

    A trajectory may be of any size and hold anything: as many of its last steps are shown as fit, texts are cut, and
    what is left out is counted in ``digest_stats``.

    Args:
        session: With its trajectory.
        provider: Of the model that is to read it; see :func:`core.digest.digest_budget`.
        chars: At least 1 024.
    """
    taken = session.trajectory or ()
    first = max(0, len(taken) - LADDER[0][0])
    steps = [_shown(number, step) for number, step in enumerate(taken[first:], start=first + 1)]
    about = {
        "outcome": session.outcome.value,
        "model": session.model,
        "errors": [error[:LONGEST] for error in session.errors],
        "actions": " > ".join(step.tool for step in taken if step.tool)[:chars],
        "steps_taken": len(taken) if session.trajectory is not None else session.steps,
    }
    fitting = [rung for rung in LADDER if _size(steps, *rung) < chars] or LADDER[-1:]
    text = ""
    for count, width in fitting:
        shown = {"task": session.task[:chars], "session_metadata": about, "steps": steps[len(steps) - count :]}
        text = metadata_digest(shown, provider, _settings(count, width, chars))
        if '"recent_steps":' in text or not steps:
            return text
    return text


def _size(steps: Sequence[dict[str, object]], count: int, width: int) -> int:
    """About how long these steps are at least."""
    return sum(min(width, len(str(value))) for step in steps[len(steps) - count :] for value in step.values())


def _settings(steps: int, width: int, chars: int) -> DigestSection:
    return DigestSection(
        char_budget=chars,
        max_step_summaries=steps,
        max_string_chars=width,
        max_section_chars=max(64, min(4 * width, chars // 3)),
        include_session_keys=SHOWN,
    )


def _shown(number: int, step: Step) -> dict[str, object]:
    """A step without what it does not say."""
    said: dict[str, object] = {
        key: value[:LONGEST] if isinstance(value, str) else value for key, value in vars(step).items()
    }
    return {"number": number, **{key: value for key, value in said.items() if value not in ("", None)}}
