"""Does a prompt carry corpus rows inside it? Long verbatim runs of words say so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.candidate import ProgramPrompts
from core.verdict import Check, CheckStatus

NAME = "copying"
RUN_LENGTH = 13
"""Words in a row that count as copied; the length used for train/test contamination by Brown et al., 2020 (GPT-3)."""

SHORT_TEXT = 4
"""Words from which on a whole short input counts as recognisable."""
SHORT_ROWS = 3
"""So many whole short inputs in one instruction are no coincidence."""

_WORD = re.compile(r"\w+", re.UNICODE)


def runs(text: str, length: int = RUN_LENGTH) -> Iterator[tuple[str, ...]]:
    """Every run of ``length`` lower-case words in a text."""
    tokens = _WORD.findall(text.casefold())
    for start in range(len(tokens) - length + 1):
        yield tuple(tokens[start : start + length])


@dataclass(frozen=True)
class CorpusText:
    """The text of one row and the split it belongs to."""

    row_id: str
    split: str
    text: str
    inputs: tuple[str, ...] = ()


def corpus_texts(rows: Iterable[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]) -> tuple[CorpusText, ...]:
    """Collect the texts of rows given as (id, split, inputs, gold)."""
    return tuple(
        CorpusText(i, split, f"{_flat(inputs)}\n{_flat(gold)}", tuple(_flat(value) for value in inputs.values()))
        for i, split, inputs, gold in rows
    )


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(_flat(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return "\n".join(_flat(v) for v in value)
    return json.dumps(value, ensure_ascii=False, default=str)


def copying_check(champion: ProgramPrompts, challenger: ProgramPrompts, corpus: Iterable[CorpusText]) -> Check:
    """Fail when an instruction holds a run of words from any row, or a demo holds one from outside the train split.

    A demo is a train row by design, so train rows are allowed there. Runs that the champion already had, and runs
    that several rows share (greetings, boilerplate), are not counted against the challenger. Inputs too short to hold
    such a run are looked for as a whole: three of them in the instructions are a leak.
    """
    corpus = tuple(corpus)
    known = {run for prompt in champion.prompts for run in runs(prompt.text)}
    instructions = {run for prompt in challenger.prompts for run in runs(prompt.instruction)} - known
    demos = {run for prompt in challenger.prompts for demo in prompt.demos for run in runs(_flat(demo))} - known
    holders: dict[tuple[str, ...], list[CorpusText]] = {}
    if instructions or demos:
        for row in corpus:
            for run in {run for run in runs(row.text) if run in instructions or run in demos}:
                holders.setdefault(run, []).append(row)
    copied = {
        rows[0].row_id: " ".join(run)
        for run, rows in sorted(holders.items(), reverse=True)
        if len(rows) == 1 and (run in instructions or rows[0].split != "train")
    }
    short = _short_inputs(champion, challenger, corpus)
    if len(short) >= SHORT_ROWS:
        copied = {**short, **copied}
    if not copied:
        return Check(NAME, CheckStatus.PASS, f"no run of {RUN_LENGTH} words is copied from the corpus")
    row_id, words = min(copied.items())
    return Check(
        NAME,
        CheckStatus.FAIL,
        f"the prompt copies {len(copied)} corpus rows verbatim, such as row {row_id!r}: “{words}”",
        evidence={"rows": sorted(copied)[:20]},
    )


def _short_inputs(champion: ProgramPrompts, challenger: ProgramPrompts, corpus: Iterable[CorpusText]) -> dict[str, str]:
    """Short inputs that stand in an instruction as a whole, by row; shared ones and those of the champion left out."""
    instructions = [_words(text) for text in challenger.instructions().values()]
    known = [_words(prompt.text) for prompt in champion.prompts]
    holders: dict[str, list[str]] = {}
    for row in corpus:
        for text in {_words(value) for value in row.inputs}:
            if SHORT_TEXT <= text.count(" ") - 1 < RUN_LENGTH:
                holders.setdefault(text, []).append(row.row_id)
    return {
        rows[0]: text.strip()
        for text, rows in holders.items()
        if len(rows) == 1 and any(text in place for place in instructions) and not any(text in k for k in known)
    }


def _words(text: str) -> str:
    """The lower-case words of a text with one space around each, so that whole words are found."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "
