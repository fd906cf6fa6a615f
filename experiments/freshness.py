"""Which stored outputs and scores still belong to the matrix that is asked for: same prompt, model, row and judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calls.models import ModelSpec
from core.plain import digest
from experiments.grid import CellPlan
from experiments.lines import CorpusLine, Folder, OutputLine, ScoreLine
from tasks.config import TaskConfig

Key = tuple[str, str, str]
"""Prompt, model, row."""
OLD_OUTPUT = "its output is of an earlier prompt, model or text of the row"
OLD_SCORE = "its score is of an earlier judge, rubric, output or reference"
REMEDY = {OLD_OUTPUT: "run", OLD_SCORE: "judge"}


@dataclass(frozen=True)
class Marks:
    """The marks that a fresh line bears; ``judge`` is a hash of who judges and by what rubric."""

    folder: Folder
    judge: str

    def output(self, cell: CellPlan, row_input: Mapping[str, Any]) -> str:
        """What an output depends on."""
        return self.folder.mark(cell.prompts.hash, _settings(cell.spec), row_input)

    def score(self, output: OutputLine, row_input: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
        """What a score depends on."""
        return self.folder.mark(self.judge, output.prediction, row_input, reference)


def judge_mark(config: TaskConfig, specs: Sequence[ModelSpec]) -> str:
    """Hash of who judges and by what: rubric and weights, metric, and every judge's model with its settings."""
    rubric = config.judge.model_dump(mode="json", exclude={"sought", "trusted"}) if config.judge else None
    metric = config.metric.model_dump(mode="json", exclude={"threshold"})
    return digest([rubric, metric, config.adapter, [_settings(spec) for spec in specs]])


def _settings(spec: ModelSpec) -> list[Any]:
    """What of a model's settings changes its answers."""
    return [spec.model, spec.api_base, spec.temperature, spec.max_tokens, spec.params]


def stale_rows(
    marks: Marks,
    cells: Iterable[CellPlan],
    rows: Sequence[CorpusLine],
    outputs: Mapping[Key, OutputLine],
    scores: Mapping[Key, ScoreLine],
) -> dict[Key, str]:
    """The rows of cells whose stored output or score is of something else, each with the reason."""
    found: dict[Key, str] = {}
    for cell in cells:
        for row in rows:
            key = (cell.prompt, cell.model, row.id)
            output, score = outputs.get(key), scores.get(key)
            if output is None:
                continue
            if output.made_from != marks.output(cell, row.input):
                found[key] = OLD_OUTPUT
            elif score is not None and score.judged_from != marks.score(output, row.input, row.reference_output):
                found[key] = OLD_SCORE
    return found


def told(stale: Mapping[Key, str], task: str) -> tuple[str, ...]:
    """One sentence for each kind of stale rows: how many, of which cells, and what makes them fresh."""
    return tuple(
        f"{count} stored rows of {', '.join(cells)} are not scored: {reason}; "
        f"next: python cli.py {REMEDY[reason]} {task}"
        for reason in REMEDY
        if (count := sum(why == reason for why in stale.values()))
        and (cells := dict.fromkeys(f"{key[0]} @ {key[1]}" for key, why in stale.items() if why == reason))
    )
