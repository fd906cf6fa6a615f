"""What a proposed instruction has to keep: sections, placeholders, lines on the answer's form, and its size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from core.section import Section

CHARS_PER_TOKEN = 4
"""By which tokens are estimated; no tokenizer is the right one for every model."""
_PLACEHOLDER = re.compile(r"(?<!\{)(\{[A-Za-z_]\w*\}|\{\{\s*[A-Za-z_]\w*\s*\}\})(?!\})")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_FENCE = re.compile(r"^\s*(```|~~~)")
_FORM = re.compile(
    r"\b(json|xml|yaml|csv|schema|code fences?|output format|(?:respond|reply|answer|return) only)\b", re.I
)


class LimitsSection(Section):
    """What every proposed instruction is held to before it is tried on a row."""

    headings: Literal["auto"] | tuple[str, ...] = Field(
        default=(), description="Headings that must remain, whatever stands below them; auto: those of level two."
    )
    protected: tuple[str, ...] = Field(default=(), description="Headings whose sections must remain word for word.")
    sentences: int | None = Field(
        default=None, ge=1, description="How many sentences a proposal may change, of the instruction it starts from."
    )
    tokens: int | None = Field(
        default=None, ge=1, description="Tokens of an instruction at most, four characters each."
    )
    placeholders: bool = Field(default=True, description="Whether placeholders in braces must remain.")
    output_format: bool = Field(
        default=False, description="Whether lines that prescribe the form of the answer must remain as they are."
    )


class RefusedError(Exception):
    """A proposal breaks a limit; the message says which."""


@dataclass(frozen=True)
class Limits:
    """The limits of a task, and the seed instruction of every predictor that they refer to."""

    section: LimitsSection = field(default_factory=LimitsSection)
    seeds: Mapping[str, str] = field(default_factory=dict[str, str])

    def admitted(self, predictor: str, parent: str, proposal: str) -> str:
        """The proposal as it may be tried; where the seed is a template, braces that are no placeholder are doubled.

        Args:
            predictor: Whose instruction it is.
            parent: The instruction that the proposal starts from.
            proposal: The new instruction.

        Raises:
            RefusedError: If it breaks a limit.
        """
        seed, text = self.seeds.get(predictor, parent), proposal.strip()
        if not text:
            raise RefusedError("the proposal is empty")
        text = _escaped(seed, text) if self.section.placeholders else text
        reason = self._broken(seed, parent, text)
        if reason:
            raise RefusedError(reason)
        return text

    def told(self, predictor: str) -> str:
        """The limits in words, for whoever proposes; empty when there are none."""
        section, seed = self.section, self.seeds.get(predictor, "")
        found = [f"Keep the section {name!r} word for word." for name in section.protected]
        headings = _headings(section, seed)
        if headings:
            found.append(f"Keep these headings as they are: {', '.join(headings)}.")
        if section.placeholders and placeholders(seed):
            found.append(f"Keep these placeholders as they are: {', '.join(sorted(placeholders(seed)))}.")
        if section.sentences is not None:
            found.append(f"Change at most {section.sentences} sentences.")
        if section.tokens is not None:
            found.append(f"The new instruction must be at most {section.tokens * CHARS_PER_TOKEN} characters.")
        if section.output_format:
            found += [f"Keep this line as it is: {line}" for line in form_lines(seed)]
        return "\n".join(found)

    def missing(self) -> tuple[str, ...]:
        """Headings that the limits name and no seed instruction has."""
        named = (*self.section.protected, *(self.section.headings if self.section.headings != "auto" else ()))
        known = {name for seed in self.seeds.values() for name in sections(seed)}
        return tuple(name for name in dict.fromkeys(named) if name not in known)

    def _broken(self, seed: str, parent: str, text: str) -> str | None:
        section = self.section
        before, after = sections(seed), sections(text)
        for name in section.protected:
            if name in before and after.get(name) != before[name]:
                return f"protected section {name!r} changed" if name in after else f"protected section {name!r} dropped"
        for name in _headings(section, seed):
            if name not in after:
                return f"heading {name!r} dropped"
        if section.placeholders:
            lost = placeholders(seed) - placeholders(text)
            if lost:
                return f"placeholder {min(lost)} dropped"
        if section.output_format:
            kept = {line.strip() for line in text.splitlines()}
            gone = [line for line in form_lines(seed) if line not in kept]
            if gone:
                return "a line on the form of the answer changed"
        if section.tokens is not None and len(text) > section.tokens * CHARS_PER_TOKEN:
            return f"more than {section.tokens} tokens"
        if section.sentences is not None and changed_sentences(parent, text) > section.sentences:
            return f"more than {section.sentences} sentences changed"
        return None


def sections(text: str) -> dict[str, str]:
    """The sections of a Markdown text by heading, each to the next heading of its level or above, without the heading.

    Headings inside fenced code are no headings. Of two sections of one name the texts are joined.
    """
    found: dict[str, str] = {}
    open_: list[tuple[int, str]] = []
    for line, code in _lines(text):
        match = None if code else _HEADING.match(line)
        if match:
            level = len(match[1])
            open_ = [(depth, name) for depth, name in open_ if depth < level]
        for _, name in open_:
            found[name] += line.rstrip() + "\n"
        if match:
            open_.append((len(match[1]), match[2]))
            found.setdefault(match[2], "")
    return {name: body.strip() for name, body in found.items()}


def sentences(text: str) -> tuple[str, ...]:
    """Sentences and lines of a text, blanks evened out, without empty ones."""
    return tuple(" ".join(part.split()) for part in _SENTENCE.split(text) if part.strip())


def changed_sentences(before: str, after: str) -> int:
    """How many sentences differ: a replaced one counts once, an added or a dropped one once each."""
    old, new = Counter(sentences(before)), Counter(sentences(after))
    return max((old - new).total(), (new - old).total())


def placeholders(text: str) -> set[str]:
    """Names in single or double braces, as they are written, blanks inside double braces left out."""
    return {re.sub(r"\s", "", found) for found in _PLACEHOLDER.findall(text)}


def form_lines(text: str) -> tuple[str, ...]:
    """Lines that prescribe the form of the answer: they name a format or a schema, or stand in fenced code."""
    return tuple(
        line.strip()
        for line, code in _lines(text)
        if line.strip() and (code or (_FORM.search(line) and not _HEADING.match(line)))
    )


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Every line, and whether it is code: inside a fence, or the fence itself."""
    fenced = False
    for line in text.splitlines():
        fence = bool(_FENCE.match(line))
        yield line, fenced or fence
        fenced ^= fence


def _headings(section: LimitsSection, seed: str) -> tuple[str, ...]:
    if section.headings != "auto":
        return section.headings
    matches = [_HEADING.match(line) for line, code in _lines(seed) if not code]
    return tuple(match[2] for match in matches if match and len(match[1]) == 2)


def _escaped(seed: str, text: str) -> str:
    """Where the seed is a template with ``{name}``, double the braces of every other such name."""
    wanted = {name for name in placeholders(seed) if not name.startswith("{{")}
    if not wanted:
        return text
    return _PLACEHOLDER.sub(lambda m: m[0] if m[0] in wanted or m[0].startswith("{{") else "{" + m[0] + "}", text)
