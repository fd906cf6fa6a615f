"""The examination of a task's judge: on outputs that people have rated, or on those that a matrix has stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy

from calls.failures import Halt, describe_error
from core.cells import JudgeCard, ScoreEstimate
from core.errors import DataError, ModelError, UsageError
from core.evaluation import RowStatus
from core.files import write_text
from core.plain import canonical, to_json
from data.annotations import FIRST, TIE, Preferred, preferences_of
from data.corpus import Row
from experiments.bench import Bench
from experiments.lines import CorpusLine, OutputLine
from experiments.steps import CARD, CORPUS, OUTPUTS, the_judge
from metrics.calibration import JudgedPair, Spread, examine, judgements
from metrics.judges import RubricMetric, shown
from metrics.metric import JudgementError
from stats import bounded_mean

FEWEST = 3
"""Decided preferences below which their share says nothing."""
RIVALS = 3
"""Different outputs of one row that a judge is examined on."""


def examine_judge(
    bench: Bench, *, scores: Path | None = None, rows: int = 24, repeats: int = 2, planned: int | None = None
) -> JudgeCard:
    """Ask the judge again and again, swapped and repeated, and keep its card with the matrix.

    Args:
        bench: The matrix whose judge it is.
        scores: Outputs that people have rated; those of the matrix unless given.
        rows: Most outputs.
        repeats: Times that each question is really asked.
        planned: Rows of the comparison that the judge is for; those of the holdout unless given.

    Raises:
        UsageError: If the task has no rubric judge, or nothing was run.
        ModelError: If no judgement could be had.
    """
    metric, spec = the_judge(bench)
    if not isinstance(metric, RubricMetric):
        section = bench.task.config.judge
        kind = f"its judge is of kind {section.kind}" if section is not None and section.criteria else "it has none"
        raise UsageError(
            f"only a rubric judge can be examined, and {bench.task.name}: {kind}",
            hint="give its task file a judge section with criteria, of kind rubric",
        )
    liked = _preferences(scores)[:rows] if scores else ()
    pairs, human = _rated(scores, rows, liked) if scores else _stored(bench, rows)
    bench.run.progress.phase("judgements", judgements(pairs, repeats))
    lost: list[str] = []
    with ThreadPoolExecutor(spec.max_concurrency) as pool:
        try:
            card = examine(
                _asking(metric, lost),
                pairs,
                human,
                name=f"{metric.name}, {spec.alias}",
                planned_rows=planned or len(bench.task.splits.holdout),
                repeats=repeats,
                spread=pool.map,
            )
            card = replace(card, preference=_agreed(_asking(metric, lost), liked, pool.map))
        except Halt as halt:
            raise halt.cause from None
    if lost and card.failed == judgements(pairs, repeats):
        raise ModelError(f"no judgement could be had from {spec.alias}: {lost[0]}")
    write_text(bench.folder.path / CARD, to_json(card) + "\n")
    return card


def _asking(metric: RubricMetric, lost: list[str]) -> Callable[[JudgedPair], float | None]:
    """The judge as the examination asks it: the mean over the panel, None when it fails.

    What a model that could not be asked said of it goes to ``lost``.
    """

    def ask(pair: JudgedPair) -> float | None:
        said = []
        for lm in metric.lms:
            try:
                found = metric.score_pair(
                    lm,
                    pair.row_id,
                    pair.original,
                    pair.reference,
                    pair.candidate,
                    pair.repeat,
                    reference_first=pair.reference_first,
                )
            except JudgementError:
                return None
            except dspy.LMError as error:
                lost.append(describe_error(error))
                return None
            said.append(found.score)
        return sum(said) / len(said)

    return ask


Compared = tuple[JudgedPair, JudgedPair, str]
"""Two outputs of a row, and which one a person prefers."""


def _preferences(path: Path) -> tuple[Compared, ...]:
    """Pairs of outputs of which people prefer one; nothing where the file cannot be read, which is said elsewhere."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    lines = "\n".join(line for line in text.splitlines() if '"preferred"' in line)
    return tuple(
        (_output(each, each.first), _output(each, each.second), each.preferred)
        for each in preferences_of(lines, str(path))
    )


def _output(said: Preferred, output: Mapping[str, Any]) -> JudgedPair:
    return JudgedPair(said.id, _text(said.input), _text(said.reference), _text(output))


def _agreed(
    ask: Callable[[JudgedPair], float | None], liked: Sequence[Compared], spread: Spread
) -> ScoreEstimate | None:
    """How often the judge's scores order two outputs as a person did; their ties and lost scores are left out."""
    decided = [each for each in liked if each[2] != TIE]
    scores = list(spread(ask, [pair for first, second, _ in decided for pair in (first, second)]))
    agreed: list[float] = []
    for (_, _, preferred), one, other in zip(decided, scores[::2], scores[1::2], strict=True):
        if one is not None and other is not None:
            ahead = one - other if preferred == FIRST else other - one
            agreed.append(0.5 if ahead == 0 else float(ahead > 0))
    if len(agreed) < FEWEST:
        return None
    found = bounded_mean(agreed)
    return ScoreEstimate(found.value, found.low, found.high, found.n)


def _rated(path: Path, most: int, liked: Sequence[Compared] = ()) -> tuple[list[JudgedPair], list[float] | None]:
    """Outputs that people have rated; those that they have compared where they rated none.

    Raises:
        DataError: If the file is not JSONL of input, reference, output and a score from 0 to 1.
    """
    pairs: list[JudgedPair] = []
    human: list[float] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or '"preferred"' in line:
            continue
        try:
            row = json.loads(line)
            score = float(row["score"])
            original, reference, output = (_text(row[key]) for key in ("input", "reference", "output"))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}:{number}: needs input, reference, output and score: {_said(error)}") from None
        if not 0 <= score <= 1:
            raise DataError(f"{path}:{number}: score {score}; allowed is 0 to 1")
        pairs.append(JudgedPair(str(row.get("id", number)), original, reference, output))
        human.append(score)
        if len(pairs) == most:
            break
    if not pairs and liked:
        return [pair for first, second, _ in liked for pair in (first, second)], None
    if not pairs:
        raise DataError(f"{path}: no rated output")
    return pairs, human


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else shown(value) if isinstance(value, Mapping) else json.dumps(value)


def _stored(bench: Bench, most: int) -> tuple[list[JudgedPair], list[float] | None]:
    """Outputs of the matrix, several per row; gold agreement stands in for people where the references are gold.

    Raises:
        UsageError: If nothing was run.
    """
    lines = {line.id: line for line in bench.folder.read(CORPUS, CorpusLine, "prepare") if line.reference_output}
    outputs = [
        line
        for line in bench.folder.read(OUTPUTS, OutputLine, "run")
        if line.row_id in lines and line.status is RowStatus.OK
    ]
    outputs = _varied(outputs, list(lines), most)
    if not outputs:
        raise UsageError("no output to judge", hint=f"first: python cli.py run {bench.task.name}")
    pairs = []
    for output in outputs:
        line = lines[output.row_id]
        names = list(line.reference_output)
        reference = shown({name: line.reference_output[name] for name in names})
        candidate = shown({name: output.prediction.get(name) for name in names})
        pairs.append(JudgedPair(output.row_id, shown(line.input), reference, candidate))
    return pairs, _gold_agreement(bench, outputs, lines)


def _varied(outputs: Sequence[OutputLine], order: Sequence[str], most: int) -> list[OutputLine]:
    """Outputs of as many rows as may be, up to three different ones of each: flips need rivals, means need rows."""
    chosen: list[OutputLine] = []
    for row_id in order:
        different = {canonical(line.prediction): line for line in outputs if line.row_id == row_id}
        chosen += list(different.values())[:RIVALS]
    return chosen[:most]


def _gold_agreement(bench: Bench, outputs: Sequence[OutputLine], lines: Mapping[str, CorpusLine]) -> list[float] | None:
    """How far each output agrees with gold, where the task compares with gold and the references are gold."""
    metric = bench.task.metric
    if bench.task.judges or any(line.metadata.get("reference") != "gold" for line in lines.values()):
        return None
    rows = {i: Row(i, dict(line.input), dict(line.reference_output)) for i, line in lines.items()}
    return [metric.judge(rows[output.row_id], output.prediction).score for output in outputs]
