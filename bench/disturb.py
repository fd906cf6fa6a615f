"""Disturb every command that works for long, and see that it tells and pays what an undisturbed one does.

Each command is started again and again in a workspace of its own, and killed at a random moment: alone, with its
courier, which makes the calls, or its courier alone. The first two of each command are only stopped (SIGSTOP) for a
minute, the one itself, the other's courier. In the end one goes undisturbed. Compared with a workspace in which
nothing was disturbed: what the command says, and how many answers the provider gave twice. A kill of the run alone
repeats none; a kill of the courier may repeat what was in flight, which the ledger then calls lost. With ``--faults``
the provider fails so large a share of requests, in ten ways, and what is said must still be the same.
Usage: python -m bench.disturb [--times 200] [--commands optimize,matrix,...] [--pause 60] [--faults 0.1]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.kill import HOME, account, provider
from offline.rules import HEADING
from tests.gym import gym
from tests.notes import WORDS, notes

HANGS = 600
"""Seconds after which an undisturbed command hangs."""


def _notes(folder: Path, url: str) -> None:
    notes(folder, url)


def _gym(folder: Path, url: str) -> None:
    gym(folder, url=url, count=12)


def _prepared(folder: Path, url: str) -> None:
    """A gym with references and outputs, which a judge is measured with."""
    _gym(folder, url)
    for step in ("prepare", "run"):
        subprocess.run(_command(folder, (step, "retell")), capture_output=True, check=True)


def _unlabelled(folder: Path, url: str) -> None:
    """A task that teaches, with what it has to know in its instruction, and rows for it."""
    notes(folder, url)
    task = folder / "configs" / "notes.yaml"
    signs = 'water" in 40 of 100 texts; signs: river 38/38, cloud 38/38'
    said = f'Sort the note.\n\n{HEADING}\n- kind: "{signs}\n- kind: "land" in 60 of 100 texts'
    task.write_text(f"{task.read_text('utf-8')}instruction: {json.dumps(said)}\n", "utf-8")
    dice = random.Random(4)
    rows = [{"id": f"q{n}", "input": {"note": " ".join([*dice.choices(WORDS, k=8), str(n)])}} for n in range(90)]
    (folder / "inputs.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")


def _logs(folder: Path, url: str) -> None:
    dice = random.Random(5)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "logs").mkdir()
    for number in range(300):
        said = [" ".join(dice.choices(WORDS, k=200)) for _ in range(12)]
        lines = [f"[{'user' if i % 2 == 0 else 'assistant'}] {text}" for i, text in enumerate(said)]
        (folder / "logs" / f"{number}.txt").write_text("\n".join(lines), "utf-8")


def _promoted(folder: Path, url: str) -> None:
    notes(folder, url)
    run = subprocess.run(_command(folder, ("optimize", "notes")), capture_output=True, text=True, check=True)
    (folder / "run").write_text(json.loads(run.stdout)["run_id"], "utf-8")


def _patches(folder: Path, url: str) -> None:
    notes(folder, url)
    lines = ['{"optimizer": {"minibatch": 4}}', '{"models": {"student": "mind"}}']
    (folder / "patches.jsonl").write_text("\n".join(lines), "utf-8")


def _errands(folder: Path, url: str) -> None:
    """The shop's agent with two arms, behind the provider."""
    shutil.copytree(HOME / "configs" / "experiments", folder / "configs" / "experiments")
    shutil.copy(HOME / "configs" / "hypotheses.yaml", folder / "configs")
    (folder / "corpora").mkdir()
    shutil.copy(HOME / "corpora" / "shop.jsonl", folder / "corpora")
    task = (HOME / "configs" / "shop.yaml").read_text("utf-8")
    (folder / "configs" / "shop.yaml").write_text(f"{task}\nmodels: {{student: far}}\n", "utf-8")
    models = f'models: {{far: {{model: openai/far-small, api_base: "{url}", input_price: 1, output_price: 4}}}}'
    (folder / "configs" / "models.yaml").write_text(models, "utf-8")


def _sessions(folder: Path, url: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(6)
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        for number in range(20_000):
            row = {"id": f"s{number}", "task": f"t{number % 200}", "model": "a", "success": dice.random() < 0.4}
            log.write(json.dumps(row) + "\n")


def _stored(folder: Path, body: dict[str, Any]) -> Any:
    with contextlib.closing(sqlite3.connect(folder / "mlruns" / "sessions.db")) as db:
        sums = db.execute("select count(*), count(distinct id), sum(success) from sessions").fetchone()
    return body["sessions"], sums, body["refused"], body["problems"]


@dataclass(frozen=True)
class Job:
    """A command, what it needs, and what it must say in the end however it was disturbed."""

    name: str
    prepare: Callable[[Path, str], None]
    words: Callable[[Path], tuple[str, ...]]
    says: Callable[[Path, dict[str, Any]], Any]


def _cells(folder: Path, body: dict[str, Any]) -> Any:
    return [(c["prompt"], c["model"], c["score"], c["standing"]) for c in body["cells"]]


def _measured(folder: Path, body: dict[str, Any]) -> Any:
    return {key: value for key, value in body.items() if key != "run_id"}


JOBS = (
    Job("optimize", _notes, lambda f: ("optimize", "notes"), lambda f, b: (b["verdict"], b["prompt_hash"], b["delta"])),
    Job("matrix", _gym, lambda f: ("matrix", "retell"), _cells),
    Job(
        "distill",
        _unlabelled,
        lambda f: (
            *("distill", "--gold", str(f / "taught.jsonl"), "--inputs", str(f / "inputs.jsonl"), "--teacher", "notes"),
            *("--model", "far", "--optimizer-model", "mind", "-y"),
        ),
        lambda f, b: (b["verdict"], b["prompt_hash"], len((f / "taught.jsonl").read_text("utf-8").splitlines())),
    ),
    Job(
        "judge-card", _prepared, lambda f: ("judge-card", "retell"), lambda f, b: {k: b[k] for k in b if k != "run_id"}
    ),
    Job(
        "import",
        _logs,
        lambda f: ("import", str(f / "logs"), "--out", "corpora/logs.jsonl", "--force"),
        lambda f, b: (f / "corpora" / "logs.jsonl").read_text("utf-8"),
    ),
    Job(
        "promote",
        _promoted,
        lambda f: ("promote", "notes", "--run", (f / "run").read_text("utf-8"), "--force"),
        lambda f, b: (b["prompt_hash"], (f / "prompts" / "notes.yaml").exists()),
    ),
    Job(
        "sweep",
        _patches,
        lambda f: ("sweep", "notes", "--patches", str(f / "patches.jsonl"), "--set", "optimizer.budget=150", "-y"),
        lambda f, b: [(place["patch"], place["score"], place["verdict"]) for place in b["leaderboard"]],
    ),
    Job(
        "experiment",
        _errands,
        lambda f: ("experiment", "--control", "shop_baseline", "--test", "shop_limits", "-y"),
        lambda f, b: (b["decision"], b["pairs"]),
    ),
    Job("sessions", _sessions, lambda f: ("sessions", "import", str(f / "log.jsonl")), _stored),
)

ENDS = {"kill courier": 69}
"""How a command ends whose courier was killed: by name, and the same command continues."""


def _command(folder: Path, words: tuple[str, ...]) -> list[str]:
    return [sys.executable, str(HOME / "cli.py"), *words, "--workspace", str(folder), "--json"]


def _couriers(process: subprocess.Popen[str]) -> list[int]:
    """The processes that make the calls of a run."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "calls.courier" in line]


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@dataclass
class Account:
    """What came of the disturbances of one command."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def disturbed(self) -> int:
        """How many disturbances there were."""
        return sum(self.done[how] for how in (*KILLS[0], "stop run", "stop courier"))


def disturb(job: Job, times: int, seed: int, pause: float, faults: float) -> Account:
    """Disturb a command so many times and compare its last word with that of an undisturbed one."""
    dice, found = random.Random(seed), Account()
    with _workspace(job, 0.0) as (folder, url):
        whole, seconds = _undisturbed(job, folder)
        before = account(url)
    with _workspace(job, faults) as (folder, url):
        while found.disturbed < times and found.done[TOO_LATE] < 3 * times:
            first = found.disturbed < 2
            how = ("stop run", "stop courier")[found.disturbed] if first else dice.choices(*KILLS)[0]
            seconds = min(seconds, _once(job, folder, how, dice.uniform(0.05, 1.0) * seconds, pause, found))
        body, _ = _undisturbed(job, folder)
        after, lost = account(url), _lost(folder)
    if body != whole:
        found.wrong.append(f"says {str(body)[:300]}, undisturbed {str(whole)[:300]}")
    twice = (after["answered"] - after["distinct"]) - (before["answered"] - before["distinct"])
    found.done["answers repeated"], found.done["lost in flight"] = max(0, twice), lost
    if after["faults"]:
        found.done["faults"] = sum(after["faults"].values())
    if twice > lost:
        found.wrong.append(f"{twice} answers were given twice, the ledger knows of {lost} that were lost in flight")
    return found


TOO_LATE = "ended before"
KILLS = (("kill", "kill both", "kill courier"), (5, 3, 2))


def _once(job: Job, folder: Path, how: str, moment: float, pause: float, found: Account) -> float:
    """Disturb it once at a moment; returns the seconds that it took where it ended before that."""
    started = time.monotonic()
    process = subprocess.Popen(
        _command(folder, job.words(folder)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    couriers = _couriers(process)
    if process.poll() is not None:
        how = TOO_LATE
    elif how.startswith("kill"):
        killed = [*(couriers if how != "kill" else ()), *([process.pid] if how != "kill courier" else ())]
        _signal(killed, signal.SIGKILL)
    else:
        stopped = [process.pid] if how == "stop run" else couriers
        _signal(stopped, signal.SIGSTOP)
        time.sleep(pause if stopped else 0)
        _signal(stopped, signal.SIGCONT)
    found.done[how] += 1
    try:
        _, err = process.communicate(timeout=HANGS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        found.wrong.append(f"hangs after {how}")
        return float("inf")
    if "Traceback" in err or process.returncode not in (0, -signal.SIGKILL, ENDS.get(how, 0)):
        found.wrong.append(f"after {how}: exit {process.returncode}: {err[-300:]}")
    return time.monotonic() - started if how == TOO_LATE else float("inf")


def _undisturbed(job: Job, folder: Path) -> tuple[Any, float]:
    started = time.monotonic()
    done = subprocess.run(
        _command(folder, job.words(folder)), capture_output=True, text=True, timeout=HANGS, check=False
    )
    if done.returncode:
        raise SystemExit(f"{job.name}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return job.says(folder, json.loads(done.stdout)), time.monotonic() - started


def _lost(folder: Path) -> int:
    path = folder / "mlruns" / "ledger.db"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("select count(*) from calls where state = 'lost'").fetchone()[0])


@contextlib.contextmanager
def _workspace(job: Job, faults: float) -> Iterator[tuple[Path, str]]:
    options = ("--latency", "0.02", "--faults", str(faults))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, provider(*options) as url:
        folder = Path(name) / "w"
        job.prepare(folder, url)
        yield folder, url


def main() -> None:
    """Disturb the commands in turn and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--commands", default=",".join(job.name for job in JOBS))
    parser.add_argument("--pause", type=float, default=60.0)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = [job for job in JOBS if job.name in arguments.commands.split(",")]
    wrong = 0
    for number, job in enumerate(chosen):
        share = arguments.times // len(chosen) + (number < arguments.times % len(chosen))
        found = disturb(job, share, arguments.seed + number, arguments.pause, arguments.faults)
        said = ", ".join(f"{count} {name}" for name, count in sorted(found.done.items()))
        print(f"{job.name:<11} {said}: {'; '.join(found.wrong) or 'as undisturbed'}", flush=True)
        wrong += len(found.wrong)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
