"""The four steps of a matrix - prepare, run, judge, report - which hand over through stored lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import dspy

from calls.lm import build_lm
from calls.models import ModelSpec
from core.cells import JudgeCard, Matrix, RaceInfo
from core.errors import ConfigError, Problem, UsageError
from core.evaluation import RowStatus, Usage
from core.files import write_text
from core.plain import to_json, to_plain
from data.corpus import Row
from experiments.analysis import Results, build_matrix
from experiments.bench import Bench, Layout
from experiments.grid import CellPlan, choose_rows
from experiments.lines import CorpusLine, OutputLine, ScoreLine
from experiments.pool import fan_out, pipeline
from metrics.catalog import judge_metric
from metrics.evaluate import judge_row, run_row
from metrics.metric import Metric
from stats import Race
from tasks.task import Task, judge_specs

CORPUS, OUTPUTS, SCORES, RACE, CARD = "corpus.jsonl", "outputs.jsonl", "scores.jsonl", "race.json", "judge_card.json"


def prepare(bench: Bench) -> list[CorpusLine]:
    """Choose the rows and see that each has a reference; missing ones are written by the reference model.

    Raises:
        DataError: If there is no row.
        ModelError: If the reference model cannot be asked or gave no reference for any row.
    """
    rows = choose_rows(bench.task)
    wanted = wanted_fields(bench.task, rows)
    without = [row for row in rows if not all(name in row.gold for name in wanted)]
    author = bench.grid.author
    made: dict[str, OutputLine] = {}
    if without:
        lm = build_lm(author.spec, "reference", bench.run.account)
        bench.run.progress.phase("references", len(without))
        answers = fan_out(without, lambda row: author.spec, lambda row: _output(bench, author, row, lm), bench.threads)
        made = {line.row_id: line for line in answers}
    lines = [_corpus_line(bench, row, wanted, made.get(row.id)) for row in rows]
    kept = [line for line in lines if line.reference_output]
    if not kept:
        raise ConfigError([Problem("configuration", None, "reference", f"no reference: {lines[0].metadata['error']}")])
    write_text(bench.folder.path / CORPUS, bench.folder.text(lines))
    return lines


def wanted_fields(task: Task, rows: Sequence[Row]) -> tuple[str, ...]:
    """The output fields that a reference has."""
    return tuple(task.config.outputs) or tuple(rows[0].gold) or ("output",)


def _corpus_line(bench: Bench, row: Row, wanted: Sequence[str], made: OutputLine | None) -> CorpusLine:
    metadata = {"source": str(bench.task.corpus.path.name), **_provenance(row)}
    if made is None:
        reference = {name: to_plain(row.gold[name]) for name in wanted}
        return CorpusLine(row.id, to_plain(row.inputs), reference, {**metadata, "reference": "gold"})
    author = {"reference": made.model, "reference_prompt": made.prompt_hash}
    if made.status is not RowStatus.OK:
        return CorpusLine(row.id, to_plain(row.inputs), {}, {**metadata, **author, "error": made.error})
    return CorpusLine(row.id, to_plain(row.inputs), made.prediction, {**metadata, **author})


def _provenance(row: Row) -> dict[str, str]:
    """Where a row came from, where that was recorded."""
    return {name: str(value) for name, value in row.meta.items()}


def run(bench: Bench) -> list[OutputLine]:
    """Have every cell answer every row. A row that fails is a failed output of its cell and of no other.

    Raises:
        UsageError: If nothing was prepared.
        BudgetError: If the budget is used up; what was answered is in the ledger.
    """
    rows = _rows(bench)
    jobs = [(cell, row) for row in rows for cell in bench.grid.cells]
    lms = bench.lms("student")
    bench.run.progress.phase("outputs", len(jobs))
    lines = fan_out(
        jobs, lambda job: job[0].spec, lambda job: _output(bench, job[0], job[1], lms[job[0].model]), bench.threads
    )
    write_text(bench.folder.path / OUTPUTS, bench.folder.text(lines))
    (bench.folder.path / RACE).unlink(missing_ok=True)
    return lines


def _rows(bench: Bench) -> list[Row]:
    """The prepared rows that have a reference."""
    lines = bench.folder.read(CORPUS, CorpusLine, "prepare")
    return [Row(line.id, dict(line.input), dict(line.reference_output)) for line in lines if line.reference_output]


def _output(bench: Bench, cell: CellPlan, row: Row, lm: dspy.LM) -> OutputLine:
    answer = run_row(cell.program, row, lm, bench.task.adapter)
    return OutputLine(
        cell.prompt,
        cell.model,
        cell.prompts.hash,
        row.id,
        answer.status,
        answer.values,
        answer.error,
        answer.tally.worth,
        answer.tally.seconds,
        bench.marks.output(cell, to_plain(row.inputs)),
    )


def judge(bench: Bench) -> list[ScoreLine]:
    """Judge every stored output against its reference.

    Raises:
        UsageError: If nothing was run.
        BudgetError: If the budget is used up.
    """
    rows = {row.id: row for row in _rows(bench)}
    outputs = _fresh_outputs(bench, rows)
    metric, spec = the_judge(bench)
    bench.run.progress.phase("judgements", sum(line.status is RowStatus.OK for line in outputs))
    lines = fan_out(
        outputs, lambda line: spec, lambda line: _score(bench, metric, rows[line.row_id], line), bench.threads
    )
    write_text(bench.folder.path / SCORES, bench.folder.text(lines))
    return lines


def _fresh_outputs(bench: Bench, rows: Mapping[str, Row]) -> list[OutputLine]:
    """The stored outputs of the prompts, models and rows as they are now; others are not worth a judgement."""
    cells = {(cell.prompt, cell.model): cell for cell in bench.grid.cells}
    stored = bench.folder.read(OUTPUTS, OutputLine, "run")
    fresh = [
        line
        for line in stored
        if line.row_id in rows
        and (cell := cells.get((line.prompt, line.model))) is not None
        and line.made_from == bench.marks.output(cell, rows[line.row_id].inputs)
    ]
    if stored and not fresh:
        raise UsageError(
            f"none of the {len(stored)} stored outputs is of the prompts, models and rows as they are now",
            hint=f"first: python cli.py run {bench.task.name}",
        )
    return fresh


def the_judge(bench: Bench) -> tuple[Metric, ModelSpec]:
    """The metric of a matrix, with its models, and whose lane it takes: the rubric's judge, else the task's metric."""
    task = bench.task
    if task.config.judge is not None and task.config.judge.criteria:
        specs = judge_specs(task.config, bench.aliases)
        lms = [build_lm(spec, "judge", bench.run.account) for spec in specs]
        return judge_metric(task.config, task.adapter).bound(lms), specs[0]
    return task.metric, task.models["student"]


def run_and_judge(bench: Bench) -> list[ScoreLine]:
    """Both steps at once: an output is judged while others are still being made. Stores what both steps store.

    Raises:
        UsageError: If nothing was prepared.
        BudgetError: If the budget is used up; what was answered is in the ledger.
    """
    rows = _rows(bench)
    by_id = {row.id: row for row in rows}
    metric, judge_spec = the_judge(bench)
    jobs = [(cell, row) for row in rows for cell in bench.grid.cells]
    lms = bench.lms("student")
    bench.run.progress.phase("outputs and judgements", 2 * len(jobs))
    pairs = pipeline(
        jobs,
        lambda job: job[0].spec,
        lambda job: _output(bench, job[0], job[1], lms[job[0].model]),
        judge_spec,
        lambda line: _score(bench, metric, by_id[line.row_id], line),
        bench.threads,
    )
    write_text(bench.folder.path / OUTPUTS, bench.folder.text(output for output, _ in pairs))
    write_text(bench.folder.path / SCORES, bench.folder.text(score for _, score in pairs))
    (bench.folder.path / RACE).unlink(missing_ok=True)
    return [score for _, score in pairs]


def _score(bench: Bench, metric: Metric, row: Row, line: OutputLine) -> ScoreLine:
    mark = bench.marks.score(line, to_plain(row.inputs), to_plain(row.gold))
    if line.status is not RowStatus.OK:
        return ScoreLine(line.prompt, line.model, line.row_id, line.status, error=line.error, judged_from=mark)
    status, judgement, error, _ = judge_row(metric, row, line.prediction)
    if judgement is None:
        return ScoreLine(line.prompt, line.model, line.row_id, status, error=error, judged_from=mark)
    return ScoreLine(
        line.prompt,
        line.model,
        line.row_id,
        RowStatus.OK,
        judgement.score,
        dict(judgement.fields),
        judgement.feedback,
        dict(judgement.companions),
        judged_from=mark,
    )


def race(bench: Bench, alpha: float) -> RaceInfo:
    """Run and judge row by row, and stop spending on cells that another cell clearly dominates.

    Writes outputs, scores and what was stopped.

    Raises:
        UsageError: If nothing was prepared.
        BudgetError: If the budget is used up.
    """
    rows = _rows(bench)
    metric, judge_spec = the_judge(bench)
    lms = bench.lms("student")
    cells = {cell.name: cell for cell in bench.grid.cells}
    contest = Race(tuple(cells), alpha)
    outputs: list[OutputLine] = []
    scores: list[ScoreLine] = []
    spent: dict[str, list[float]] = {name: [] for name in cells}
    bench.run.progress.phase("outputs and judgements", len(rows) * len(cells))
    for row in rows:
        live = [cells[name] for name in contest.running]
        made = fan_out(live, lambda c: c.spec, lambda c, row=row: _output(bench, c, row, lms[c.model]), bench.threads)
        said = fan_out(made, lambda o: judge_spec, lambda o, row=row: _score(bench, metric, row, o), bench.threads)
        outputs += made
        scores += said
        for line in made:
            spec = cells[f"{line.prompt} @ {line.model}"].spec
            price = spec.price(line.worth.input_tokens, line.worth.output_tokens)
            if price is not None and line.status is RowStatus.OK:
                spent[f"{line.prompt} @ {line.model}"].append(price)
        scored = {f"{s.prompt} @ {s.model}": s.score for s in said if s.score is not None}
        if len(scored) == len(live):  # a row with a failure says nothing about who is better
            contest.update(scored, {name: _mean(spent[name]) for name in scored})
    info = RaceInfo(
        len(rows) * len(cells), len(outputs), tuple(f"{name}: {why}" for name, why in contest.stopped.items())
    )
    write_text(bench.folder.path / OUTPUTS, bench.folder.text(outputs))
    write_text(bench.folder.path / SCORES, bench.folder.text(scores))
    write_text(bench.folder.path / RACE, to_json(info) + "\n")
    return info


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def report(layout: Layout, run_id: str, usage: Mapping[str, Usage], seconds: float) -> Matrix:
    """Compare the cells by what is stored; calls no model.

    Raises:
        UsageError: If nothing was judged.
    """
    folder = layout.folder
    corpus = folder.read(CORPUS, CorpusLine, "prepare")
    judged = layout.task.config.judge is not None and layout.task.config.judge.criteria
    metric = judge_metric(layout.task.config, layout.task.adapter) if judged else layout.task.metric
    results = Results(
        marks=layout.marks,
        corpus=corpus,
        outputs=folder.read(OUTPUTS, OutputLine, "run"),
        scores=folder.read(SCORES, ScoreLine, "judge"),
        race=next(iter(folder.read(RACE, RaceInfo, "matrix")), None) if (folder.path / RACE).exists() else None,
        card=next(iter(folder.read(CARD, JudgeCard, "judge-card")), None) if (folder.path / CARD).exists() else None,
    )
    return build_matrix(
        layout.task,
        layout.grid,
        results,
        metric=metric.name,
        run_id=run_id,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        usage=usage,
        judges=judge_specs(layout.task.config, layout.aliases) if judged else (),
    )
