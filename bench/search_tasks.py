"""What do the optimisers find on real programs, at which cost? Holdout score against program runs, embedded model.

Usage: python -m bench.search_tasks --out FILE.jsonl [--optimizers gepa,mipro] [--tasks snips,extraction]
       [--budgets 300,1000,3000] [--salts 5] [--data DIR] [--rows 1000] [--jobs 1] [--svg FILE.svg]
       [--against gepa:1000]
extraction and dropped_commitments are the project's own; the others are made at run time of gold files in DIR (else
$PROVEN_DATA, else data/) and left out, by name, where there are none. A salt deals rows anew to train, dev and holdout
and seeds the search, so that the runs of a salt are paired; each run has a workspace of its own, because answers of an
earlier one would make its calls look free. Runs that FILE already has are not repeated; --salts 0 only tells of those.
The score is that of the run's winner on the holdout. Intervals are Student's over the salts, 95 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import proven
from bench.curves import Curve, Panel, drawing
from bench.search import mean_with_interval, names, stored
from core.errors import ProvenError
from core.workspace import HOME
from optimizers import OPTIMIZERS
from stats import t_interval
from tasks.scaffold import scaffold

OWN = ("extraction", "dropped_commitments")
PUBLIC = ("facility_emails", "snips", "email_intent", "banking77")
TASKS = (*PUBLIC, *OWN)


@dataclass(frozen=True, order=True)
class Cell:
    """One search: what on, how long, and which deal of the rows."""

    task: str
    budget: int
    optimizer: str
    salt: int


@dataclass(frozen=True)
class TaskRecord:
    """What came of it. Scores are means over the rows that have one."""

    task: str
    budget: int
    optimizer: str
    salt: int
    seed_score: float | None = None
    """The seed's on the holdout; ``score`` is the winner's, and the same where nothing beat the seed on dev."""
    score: float | None = None
    dev_lift: float | None = None
    """What the search claims: winner less seed, on dev."""
    adopted: bool = False
    verdict: str = ""
    rows: tuple[int, int, int] = (0, 0, 0)
    """Train, dev, holdout."""
    runs: int = 0
    """Calls of the student: baseline, search and holdout, those that the ledger answered included."""
    reflections: int = 0
    """Calls of all other roles."""
    seconds: float = 0.0
    cpu: float = 0.0
    error: str = ""
    """Why there is no score."""

    @property
    def cell(self) -> Cell:
        """Which search it was."""
        return Cell(self.task, self.budget, self.optimizer, self.salt)


def absent(task: str, data: Path) -> str | None:
    """Why a task cannot be run; None when it can."""
    if task in OWN or (data / f"{task}.jsonl").is_file():
        return None
    return f"{task}: no {data / f'{task}.jsonl'}; --data or PROVEN_DATA names the folder that has it"


def prepared(task: str, data: Path, rows: int, folder: Path) -> None:
    """A workspace that has the task. Of a gold file so many rows, always the same; their own splits do not count."""
    if task in OWN:
        for part in ("configs", "corpora"):
            shutil.copytree(HOME / part, folder / part)
        return
    lines = (data / f"{task}.jsonl").read_text("utf-8").splitlines()
    drawn = [json.loads(line) for line in lines if line.strip()]
    random.Random(0).shuffle(drawn)
    kept = [{key: row[key] for key in ("id", "input", "label")} for row in drawn[:rows]]
    gold = folder / f"{task}.jsonl"
    gold.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), "utf-8")
    (folder / "configs").mkdir()
    scaffold(task, gold, folder)


def run(cell: Cell, data: Path, rows: int) -> TaskRecord:
    """One search in a workspace of its own, proven on the holdout."""
    begun, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            prepared(cell.task, data, rows, Path(folder))
            found = _searched(cell, folder)
        except ProvenError as error:
            found = TaskRecord(**asdict(cell), error=f"{type(error).__name__}: {error}")
    return replace(found, seconds=round(time.monotonic() - begun, 1), cpu=round(time.process_time() - cpu, 1))


def _searched(cell: Cell, folder: str) -> TaskRecord:
    sets = [f"split.salt={cell.salt}", "run.pilot=0"]
    done = proven.optimize(
        cell.task, optimizer=cell.optimizer, budget=cell.budget, seed=cell.salt, workspace=folder, sets=sets, yes=True
    )

    def scored(prompts: str) -> float | None:
        return proven.evaluate(
            cell.task, prompts=prompts, split="holdout", open_holdout=True, workspace=folder, sets=sets
        ).mean

    adopted = done.winner != done.baseline
    if done.holdout_baseline is not None and done.holdout_candidate is not None:  # opened by the search itself
        seed, score = done.holdout_baseline.mean, done.holdout_candidate.mean
    else:
        score = scored(done.run_id)
        seed = scored("seed") if adopted else score
    before, after, student = done.dev_baseline.mean, done.candidates[done.winner_index].dev_score, done.usage["student"]
    return TaskRecord(
        **asdict(cell),
        seed_score=seed,
        score=score,
        dev_lift=None if before is None or after is None else after - before if adopted else 0.0,
        adopted=adopted,
        verdict=str(done.verdict.decision),
        rows=(done.splits.train, done.splits.dev, done.splits.holdout),
        runs=student.calls + student.hits,
        reflections=sum(usage.calls + usage.hits for role, usage in done.usage.items() if role != "student"),
    )


def searched(cells: Sequence[Cell], data: Path, rows: int, jobs: int) -> Iterator[TaskRecord]:
    """Run them in so many processes, in order."""
    if jobs == 1:
        yield from (run(cell, data, rows) for cell in cells)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:  # threads and forks do not mix
        yield from pool.map(run, cells, [data] * len(cells), [rows] * len(cells))


# --- what is told


Groups = Mapping[tuple[str, str, int], Sequence[TaskRecord]]


def grouped(records: Iterable[TaskRecord]) -> Groups:
    """By task, optimiser and budget, in the order of the tasks."""
    groups: dict[tuple[str, str, int], list[TaskRecord]] = {}
    for record in sorted(records, key=lambda r: (TASKS.index(r.task), r.optimizer, r.budget, r.salt)):
        groups.setdefault((record.task, record.optimizer, record.budget), []).append(record)
    return groups


def table(groups: Groups) -> Iterator[str]:
    """Markdown: a line for each task, optimiser and budget."""
    yield (
        "| task | optimiser | budget | salts | seed | holdout of the winner | dev lift | holdout lift "
        "| program runs | reflections | cpu s |"
    )
    yield "|" + "---|" * 11
    for (task, optimizer, budget), all_of_it in groups.items():
        scored = [r for r in all_of_it if r.score is not None and r.seed_score is not None]
        failed = f" ({len(all_of_it) - len(scored)} failed)" if len(scored) < len(all_of_it) else ""
        cells = [
            task,
            optimizer,
            str(budget),
            f"{len(scored)}{failed}",
            mean_with_interval([r.seed_score for r in scored if r.seed_score is not None]),
            mean_with_interval([r.score for r in scored if r.score is not None]),
            mean_with_interval([r.dev_lift for r in scored if r.dev_lift is not None], sign="+"),
            mean_with_interval([_lift(r) for r in scored], sign="+"),
            f"{statistics.mean(r.runs for r in scored):.0f}" if scored else "-",
            f"{statistics.mean(r.reflections for r in scored):.0f}" if scored else "-",
            f"{statistics.mean(r.cpu for r in all_of_it):.0f}",
        ]
        yield "| " + " | ".join(cells) + " |"


def _lift(record: TaskRecord) -> float:
    assert record.score is not None
    assert record.seed_score is not None
    return record.score - record.seed_score


def against(groups: Groups, optimizer: str, budget: int) -> Iterator[str]:
    """Markdown: one optimiser at one budget less every other at its largest, paired by salt; then over all tasks.

    The last line of each is the mean over the tasks that both have, with an interval over the salts that all of these
    have been run with.
    """
    tasks = [task for task in TASKS if (task, optimizer, budget) in groups]
    others = sorted({key[1] for key in groups} - {optimizer})
    yield f"| {optimizer} at {budget}, less | task | difference on the holdout, points |"
    yield "|---|---|---|"
    for other in others:
        by_salt: dict[int, list[float]] = {}
        for task in tasks:
            largest = max((key[2] for key in groups if key[:2] == (task, other)), default=0)
            ours, theirs = (_scores(groups.get(key, ())) for key in ((task, optimizer, budget), (task, other, largest)))
            paired = {salt: ours[salt] - theirs[salt] for salt in sorted(ours.keys() & theirs.keys())}
            if not paired:
                continue
            yield f"| {other} at {largest} | {task} | {mean_with_interval(list(paired.values()), 100, 1, '+')} |"
            for salt, difference in paired.items():
                by_salt.setdefault(salt, []).append(difference)
        most = max(map(len, by_salt.values()), default=0)
        means = [statistics.mean(found) for found in by_salt.values() if len(found) == most]
        yield f"| {other} | all | {mean_with_interval(means, 100, 1, '+')} |"


def _scores(records: Sequence[TaskRecord]) -> dict[int, float]:
    return {record.salt: record.score for record in records if record.score is not None}


def panels(groups: Groups) -> list[Panel]:
    """A panel for each task: a curve for each optimiser, and the seed's score as a level."""
    found = []
    for task in dict.fromkeys(key[0] for key in groups):
        seeds = [
            r.seed_score for key, some in groups.items() if key[0] == task for r in some if r.seed_score is not None
        ]
        curves = []
        for optimizer in dict.fromkeys(key[1] for key in groups if key[0] == task):
            points = []
            for key, some in groups.items():
                scores = list(_scores(some).values())
                if key[:2] == (task, optimizer) and scores:
                    ends = t_interval(scores) if len(scores) > 1 else None
                    points.append((key[2], statistics.mean(scores), (ends.low, ends.high) if ends else None))
            curves.append(Curve(optimizer, tuple(points)))
        found.append(Panel(task, statistics.mean(seeds) if seeds else None, tuple(curves)))
    return found


# --- the command


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--optimizers",
        type=lambda text: names(text, OPTIMIZERS.names),
        default=["gepa", "mipro", "bootstrap"],
    )
    parser.add_argument("--tasks", type=lambda text: names(text, TASKS), default=list(TASKS))
    parser.add_argument(
        "--budgets", type=lambda text: [int(part) for part in text.split(",")], default=[300, 1000, 3000]
    )
    parser.add_argument("--salts", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PROVEN_DATA", "data")))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--against", metavar="NAME:BUDGET", help="compare this with the others at their largest budget")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parsed(arguments)
    records = [TaskRecord(**{**body, "rows": tuple(body["rows"])}) for body in stored(given.out)]
    known, reasons = {record.cell for record in records}, {task: absent(task, given.data) for task in given.tasks}
    for reason in filter(None, reasons.values()):
        sys.stderr.write(f"left out: {reason}\n")
    cells = [
        Cell(task, budget, optimizer, salt)
        for salt in range(given.salts)
        for task in given.tasks
        if reasons[task] is None
        for budget in given.budgets
        for optimizer in given.optimizers
    ]
    for record in searched([cell for cell in cells if cell not in known], given.data, given.rows, given.jobs):
        records.append(record)
        with given.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(record)) + "\n")
    groups = grouped(records)
    lines = list(table(groups))
    if given.against:
        name, _, budget = given.against.partition(":")
        lines += ["", *against(groups, name, int(budget))]
    sys.stdout.write("\n".join(lines) + "\n")
    if given.svg:
        given.svg.write_text(drawing(panels(groups), "budget in program runs", "score on the holdout"), "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PROVEN_MLFLOW", "later")  # the workspaces are thrown away, and nobody looks at their runs
    main()
