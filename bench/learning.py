"""What a learning report over many sessions costs: `report-learning --summary-only --limit 5` as a person calls it.

Target: at most 5 s for 100 000 sessions, in SQLite and in Postgres. Seconds are of the processor and of the clock; with
Postgres those of its server are in the clock alone.
Usage: python -m bench.learning [--sessions 100000] [--store URL]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.workspace import HOME
from sessions.record import Outcome, Session
from sessions.store import SessionStore

KEYS = [f"team-{n}::agent" for n in range(20)]
MODES = ("auto", "paired", "coach", "escalate")
LIMIT = 5.0


def made(count: int) -> Iterator[Session]:
    """Sessions of 20 learning keys, 500 tasks, four modes, eight pairs of models, with judged rewards and usage."""
    for n in range(count):
        success = n * 7919 % 100 < 60
        uses = [{"entry_id": f"playbook-entry-{e}", "hits": n % 3, "adoptions": n % 2, "successes": n % 2,
                 "followed": min(n % 3, n % 2)} for e in range(3)]  # fmt: skip
        used = {"session_id": f"s{n}", "task": f"task-{n % 500}", "reward": n % 100 / 100, "tokens": n % 5000,
                "retries": n % 3, "failure_events": n % 2, "uses": uses}  # fmt: skip
        yield Session(
            f"s{n:08}", model=f"small-{n % 4}", task=f"task-{n % 500}", trial=n % 4, success=success,
            outcome=Outcome.of(success), steps=n % 23, input_tokens=n * 31 % 20_000, output_tokens=n * 17 % 2_000,
            started_at=f"2026-01-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:{n % 59:02}",
            tags={"learning_key": KEYS[n % 20], "execution_mode": MODES[n % 4], "project": "bench",
                  "review_status": "approved" if n % 3 else "pending"},
            metadata={"models": {"teacher": f"large-{n % 2}"},
                      "reward_stats": {"score": n % 100 / 100, "uncertainty": 0.1},
                      **({"learning_usage": {"session": used}} if n % 10 == 0 else {})},
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--store", help="Database URL; a new SQLite file when left out.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"sqlite:///{folder}/sessions.db"
        begun = time.process_time()
        with SessionStore(url) as store:
            store.append(made(options.sessions))
        print(
            f"loaded {options.sessions:,} sessions in {time.process_time() - begun:.2f} s of the processor", flush=True
        )
        words = [
            sys.executable, str(HOME / "cli.py"), "report-learning", "--summary-only", "--limit", "5", "--workspace",
            folder, "--store", url, "--json",
        ]  # fmt: skip
        clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=os.environ)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        waited = time.perf_counter() - clock
        files = len(list(Path(folder, "mlruns", "learning").iterdir()))
        kind = url.partition(":")[0]
        print(f"{kind}: report of 5 keys, {files} files: {spent:.2f} s of the processor, {waited:.2f} s of the clock")
        if spent > LIMIT:
            sys.exit(f"over the {LIMIT:g} s that it may take")


if __name__ == "__main__":
    main()
