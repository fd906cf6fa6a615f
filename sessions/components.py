"""Prompt components: their hashes, the texts behind these, and what each component does to success."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from core.errors import DataError
from core.files import write_text
from core.lock import FileLock
from core.plain import md5
from sessions.contrast import Contrast, adjusted, contrast
from sessions.metrics import METRICS
from sessions.record import Session
from sessions.tally import tally
from stats import holm, stratified_exact_test

FILE = "hashes.dict"
LOCK_SECONDS = 30
ALWAYS_TOGETHER = 0.9
"""From this share of common sessions on, two components cannot be told apart."""
UNEVEN = 0.2
"""Difference of shares from which a component is called unevenly spread, if chance does not explain it."""
LEVEL = 0.01


class ComponentTexts:
    """The dictionary from hash to text: one JSON object in a file, shared by processes.

    Args:
        path: The file, usually ``mlruns/hashes.dict``; made when the first text is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def texts(self) -> dict[str, str]:
        """All texts by hash.

        Raises:
            DataError: If the file is not such a dictionary, or a text is not the one that was hashed.
        """
        if not self.path.exists():
            return {}
        try:
            found: Any = json.loads(self.path.read_text("utf-8"))
        except ValueError as error:
            raise DataError(f"{self.path}: not JSON: {error}", hint="put a copy back, or delete it") from None
        if not isinstance(found, dict):
            raise DataError(f"{self.path}: received {type(found).__name__}, need an object from hash to text")
        texts = cast(dict[str, Any], found)
        for name, text in texts.items():
            if not isinstance(text, str) or not _plausible(name):
                raise DataError(f"{self.path}: {name[:40]!r} is no md5 with its text")
        return texts

    def add(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Keep texts and return their hashes, in order; others may add at the same time.

        Raises:
            DataError: If another text already has one of the hashes, or the file cannot be read.
            OutputError: If it cannot be written.
        """
        wanted = tuple(texts)
        given: dict[str, str] = {}
        for text in wanted:
            _same(given, md5(text), text, self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock", timeout=LOCK_SECONDS):
            known = self.texts()
            before = len(known)
            for name, text in given.items():
                _same(known, name, text, self.path)
            if len(known) > before:
                write_text(self.path, json.dumps(known, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
        return tuple(md5(text) for text in wanted)


@dataclass(frozen=True)
class ComponentImpact:
    """What goes with a component being in the prompt; sessions with it against those without.

    Attributes:
        hash: Its md5.
        text: Its text; empty where nobody has recorded it.
        contrast: In success rate, with minus without, corrected over all components.
        warnings: Why the effect may not be the component's.
    """

    hash: str
    text: str
    contrast: Contrast
    warnings: tuple[str, ...]


def components_of(session: Session) -> frozenset[str]:
    """The hashes of what was in a session's prompt: its components, and its guidelines."""
    return frozenset(session.components) | {md5(text) for text in session.guidelines}


def impact(sessions: Iterable[Session], texts: Mapping[str, str]) -> tuple[ComponentImpact, ...]:
    """Each component's effect on success, the clearest first; components that all or no sessions have are left out.

    This is observation and no experiment: whoever writes the prompts decides where a component is. A warning names what
    else differs between the sessions with it and those without: the model, the tasks, or another component.

    Args:
        sessions: Any; trajectories are not needed.
        texts: Texts by hash; guidelines of sessions need not be in it.
    """
    kept = list(sessions)
    held = [components_of(session) for session in kept]
    counts = Counter(name for names in held for name in names)
    known = {**texts, **{md5(text): text for session in kept for text in session.guidelines}}
    metric = METRICS.get("success_rate")
    varied = sorted(name for name, count in counts.items() if count < len(kept))
    found: list[Contrast] = []
    for name in varied:
        (without,) = tally((s for s, names in zip(kept, held, strict=True) if name not in names), [metric])
        (having,) = tally((s for s, names in zip(kept, held, strict=True) if name in names), [metric])
        found.append(contrast(replace(without, key=("without it",)), replace(having, key=("with it",)), metric))
    warnings = {name: _warnings(name, kept, held, varied, known) for name in varied}
    impacts = [
        ComponentImpact(name, known.get(name, ""), one, warnings[name])
        for name, one in zip(varied, adjusted(found), strict=True)
    ]
    return tuple(sorted(impacts, key=lambda one: (one.contrast.p_adjusted, one.contrast.p, one.hash)))


def _same(known: dict[str, str], name: str, text: str, path: Path) -> None:
    """Note a text under its hash, unless another one is there."""
    if known.setdefault(name, text) != text:
        raise DataError(
            f"{path}: two texts have the md5 {name}: {known[name][:60]!r} and {text[:60]!r}",
            hint="change one of them by a character, so that they can be told apart",
        )


def _plausible(name: str) -> bool:
    return len(name) == 32 and set(name) <= set("0123456789abcdef")


def _warnings(
    name: str,
    sessions: Sequence[Session],
    held: Sequence[frozenset[str]],
    others: Sequence[str],
    texts: Mapping[str, str],
) -> tuple[str, ...]:
    inside = [name in names for names in held]
    said = [
        *_uneven("model", [session.model for session in sessions], inside),
        *_uneven("task", [session.task_code or session.task for session in sessions], inside),
    ]
    for other in others:
        if other == name:
            continue
        both = sum(name in names and other in names for names in held)
        either = sum(name in names or other in names for names in held)
        if either and both / either >= ALWAYS_TOGETHER:
            share = f"{both:,} of {either:,} sessions"
            said.append(f"cannot be told from {texts.get(other, other)[:60]!r}: together in {share}")
    return tuple(said)


def _uneven(what: str, values: Sequence[str], inside: Sequence[bool]) -> list[str]:
    """A warning where one value is clearly more frequent on one side, by more than chance."""
    total, having = len(values), sum(inside)
    if not 0 < having < total:
        return []
    counts, here = Counter(values), Counter(value for value, within in zip(values, inside, strict=True) if within)
    gaps = {value: here[value] / having - (n - here[value]) / (total - having) for value, n in counts.items()}
    if len(counts) < 2:
        return []
    p = [_two_sided(here[value], n, having, total) for value, n in counts.items()]
    shown = dict(zip(counts, holm(p), strict=True))
    apart = sum(abs(gap) for gap in gaps.values()) / 2
    clear = [value for value, gap in gaps.items() if shown[value] <= LEVEL and gap]
    if not clear or apart < UNEVEN:
        return []
    worst = max(clear, key=lambda value: abs(gaps[value]))
    with_it, without = here[worst] / having, (counts[worst] - here[worst]) / (total - having)
    return [f"{what}s differ: {worst!r} is {with_it:.0%} of the sessions with it and {without:.0%} of those without"]


def _two_sided(hits: int, n: int, having: int, total: int) -> float:
    more = stratified_exact_test([(hits, n, having, total)])
    fewer = stratified_exact_test([(n - hits, n, total - having, total)])
    return min(1.0, 2 * min(more, fewer))
