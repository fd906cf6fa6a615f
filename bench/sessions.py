"""What many sessions cost: loading them, choosing, adding up, reading columns; in SQL and in columns of Arrow.

Targets: 50 000 sessions a second loaded; a million filtered and added up within 5 s and 1 GB. Seconds are of the
processor, because other work on the machine stretches those of the clock.
Usage: python -m bench.sessions [--sessions 1000000] [--store URL]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sessions.exporting import SESSION_FORMATS, write_sessions
from sessions.filters import FilterChain, SessionFilter
from sessions.record import Outcome, Session
from sessions.store import SessionStore

MODELS = [f"model-{n}" for n in range(25)]
STARTS = [f"2026-01-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:00+00:00" for n in range(10_000)]
BATCH = 20_000


def made(numbers: range) -> Iterator[Session]:
    """Sessions of these numbers: 25 models, 500 tasks, four trials."""
    for n in numbers:
        success = n * 7919 % 100 < 60
        yield Session(
            id=f"session-{n:08}",
            experiment="bench",
            config_hash=f"config-{n % 67}",
            model=MODELS[n % 25],
            task=f"task-{n % 500}",
            task_code="gpu_race" if n % 5 == 0 else "coupon",
            trial=n % 4,
            success=success,
            outcome=Outcome.of(success) if n % 50 else Outcome.INFRASTRUCTURE,
            steps=n % 23,
            input_tokens=n * 31 % 20_000,
            output_tokens=n * 17 % 2_000,
            cost_usd=n % 1000 * 1e-5,
            latency_s=n % 600 / 10,
            started_at=STARTS[n % len(STARTS)],
        )


@contextmanager
def told(what: str, per: int = 0) -> Iterator[None]:
    start, clock = time.process_time(), time.perf_counter()
    yield
    spent, waited = time.process_time() - start, time.perf_counter() - clock
    rate = f"{per / spent:12,.0f} per second" if per else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:44} {spent:7.2f} s   (clock {waited:6.2f} s, peak {peak:5.0f} MB) {rate}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--store", help="Database URL; a new SQLite file when left out.")
    parser.add_argument("--arrow", action="store_true", help="Measure a Parquet file of the same sessions as well.")
    options = parser.parse_args()
    chain = FilterChain().add(SessionFilter(match={"task_code": "gpu_race"})).add(SessionFilter(since="2026-01-08"))
    with tempfile.TemporaryDirectory() as folder:
        store = SessionStore(options.store or f"sqlite:///{folder}/sessions.db")
        making, loading, fastest = 0.0, 0.0, float("inf")
        for start in range(0, options.sessions, BATCH):
            clock = time.process_time()
            batch = list(made(range(start, min(options.sessions, start + BATCH))))
            making += time.process_time() - clock
            clock = time.process_time()
            store.append(batch)
            spent = time.process_time() - clock
            loading, fastest = loading + spent, min(fastest, spent / len(batch))
        print(f"{'made in memory':44} {making:7.2f} s")
        print(f"{'loaded':44} {loading:7.2f} s   {options.sessions / loading:,.0f} per second; "
              f"fastest batch {1 / fastest:,.0f}")  # fmt: skip
        with told("counted"):
            store.count()
        with told("filtered, added up by model"):
            totals = store.totals(["model"], chain)
        with told("all added up by model and task"):
            store.totals(["model", "task"])
        with told("the last 100 of a model"):
            list(store.sessions(FilterChain().where(model="model-3").last(100)))
        with told("three columns of a filtered fifth"):
            store.columns(["config_hash", "success", "cost_usd"], chain)
        if options.arrow:
            _arrow(store, Path(folder) / "s.parquet", sum(each.sessions for each in totals))
        store.close()


def _arrow(store: SessionStore, path: Path, expected: int) -> None:
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    with told("written to Parquet"):
        write_sessions(store.sessions(), path, SESSION_FORMATS.get("parquet"))
    with told("Arrow: filtered, added up by model"):
        fits = (ds.field("task_code") == "gpu_race") & (ds.field("started_at") >= "2026-01-08")
        table = ds.dataset(path).to_table(["model", "outcome", "cost_usd", "input_tokens"], filter=fits)
        table.group_by(["model", "outcome"]).aggregate([("cost_usd", "sum"), ("input_tokens", "sum")])
    if pc.count(table["model"]).as_py() != expected:
        sys.exit("Arrow and SQL do not count the same sessions")


if __name__ == "__main__":
    main()
