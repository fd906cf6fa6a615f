"""What keeping a record costs: milliseconds that a run waits per candidate, and what the projection into MLflow takes.

A run waits for the store's event on disk and for nothing else; the projection has a process of its own. A candidate
comes every 50 ms by default, as fast as a local model allows. Target: 2 ms per candidate on the run's thread.
Usage: python bench/record.py [--candidates 200] [--rows 60] [--every 0.05] [--times 3]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from core.candidate import Candidate, ProgramPrompts, Prompt  # noqa: E402
from core.evaluation import Usage  # noqa: E402
from core.optimization import RunStart, SplitInfo  # noqa: E402
from tracking.projection import Tracker  # noqa: E402
from tracking.run import Run, Silent  # noqa: E402
from tracking.store import Store  # noqa: E402


def start(run_id: str) -> RunStart:
    """The beginning of a run with as many parameters as a real one."""
    params = {f"parameter_{n}": str(n) for n in range(16)}
    return RunStart(run_id, "t", "bench", "2026-01-01T00:00:00+00:00", params, {}, SplitInfo(1, 1, 1, "f", "h"), {})


def candidate(index: int, rows: int) -> Candidate:
    """A candidate with a page of prompt and a score for every dev row."""
    prompts = ProgramPrompts(
        (Prompt("predict", f"Version {index}. " + "Read the note and say what it is about. " * 50),)
    )
    scores = {f"r{n}": (n + index) % 7 / 7 for n in range(rows)}
    return Candidate(index, "reflection", prompts, 0.5, scores, usage=Usage(rows, 9000, 600, 0.01))


def waits(run: Run, count: int, rows: int, every: float) -> list[float]:
    """Milliseconds that the run waited for each of its candidates."""
    taken = []
    for index in range(count):
        made = candidate(index, rows)
        started = time.perf_counter()
        run.candidate(made)
        taken.append(1000 * (time.perf_counter() - started))
        time.sleep(every)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--every", type=float, default=0.05)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    print(
        f"{arguments.candidates} candidates with {arguments.rows} dev scores, one every {1000 * arguments.every:.0f} ms"
    )
    medians = []
    for number in range(arguments.times):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            store = Store(folder / "proven.db")
            alone = waits(Run(store, start("alone"), Silent()), arguments.candidates, arguments.rows, arguments.every)
            tracker = Tracker(store, folder)
            run = Run(store, start(f"t-{number}"), tracker)
            while store.run(f"t-{number}").mlflow_run is None:  # MLflow is imported and its database is there
                time.sleep(0.05)
            with_mlflow = waits(run, arguments.candidates, arguments.rows, arguments.every)
            run.finish()
            closing = time.perf_counter()
            tracker.catch_up()
            closing = time.perf_counter() - closing
            assert not tracker.problems, tracker.problems
            assert store.run(f"t-{number}").synced == store.events(f"t-{number}")[-1].seq
            store.close()
        medians.append(statistics.median(with_mlflow))
        print(f"  store alone      {shown(alone)}")
        print(f"  with MLflow      {shown(with_mlflow)}; MLflow had all {closing:.2f} s after the end")
    worst = max(medians)
    print(f"\nmedian at worst {worst:.2f} ms per candidate, target 2 ms: {'met' if worst <= 2 else 'MISSED'}")
    raise SystemExit(0 if worst <= 2 else 1)


def shown(taken: list[float]) -> str:
    """Median, 95th percentile and maximum in milliseconds."""
    return (
        f"median {statistics.median(taken):.2f} ms, p95 {statistics.quantiles(taken, n=20)[-1]:.2f} ms, "
        f"most {max(taken):.1f} ms"
    )


if __name__ == "__main__":
    main()
