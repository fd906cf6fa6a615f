"""Kill `optimize` again and again and continue it: is any answered call paid twice, is the result the same?

A local provider answers through the embedded model and counts what it was asked. One run goes undisturbed, in a
workspace of its own; then runs of the same task are killed again and again until they end by themselves. Compared are
the provider's count of repeated answers (must be 0), winner, trajectory and counters.
Usage: python bench/kill.py [--kills 200] [--optimizers NAME,NAME] [--latency 0.01]
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from core.candidate import Candidate  # noqa: E402
from core.plain import from_json  # noqa: E402
from optimizers import OPTIMIZERS  # noqa: E402
from tests.notes import notes  # noqa: E402
from tracking.store import Store  # noqa: E402


@contextmanager
def provider(*options: str):
    """The provider as a process of its own."""
    command = [sys.executable, "-m", "tests.provider", *options]
    process = subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def account(url: str) -> dict:
    """What the provider says it was asked."""
    with urllib.request.urlopen(url) as answer:
        return json.loads(answer.read())


def command(folder: Path, optimizer: str) -> list[str]:
    return [
        sys.executable, str(HOME / "cli.py"), "optimize", "notes", "--workspace", str(folder), "--json",
        "--optimizer", optimizer,
    ]  # fmt: skip


def outcome(folder: Path) -> tuple[dict, list]:
    """What the first run that finished says of itself, and what it found candidate by candidate.

    A process that is killed between its end and its last word has finished; the next one is another run, and free.
    """
    store = Store(folder / "mlruns" / "proven.db")
    first = [run for run in store.runs() if run.state == "finished"][-1]
    result = store.optimization(first.run_id)
    events = [from_json(Candidate, e.payload) for e in store.events(first.run_id) if e.kind == "candidate"]
    store.close()
    usage, evidence = result.total_usage, result.verdict.evidence
    said = {
        "prompt": result.winner.hash, "verdict": result.verdict.decision.value,
        "delta": evidence.delta if evidence else None, "calls": usage.calls, "hits": usage.hits,
        "cost": usage.cost_usd, "tokens": (usage.input_tokens, usage.output_tokens),
    }  # fmt: skip
    steps = [(c.index, c.prompts.hash, c.dev_score, c.usage.calls, c.usage.hits, c.usage.input_tokens) for c in events]
    return said, steps


def undisturbed(optimizer: str, options: list[str]) -> tuple[dict, list, dict]:
    """One run that nobody kills."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, provider(*options) as url:
        folder = Path(name)
        notes(folder, url)
        done = subprocess.run(command(folder, optimizer), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return *outcome(folder), account(url)


def killed(optimizer: str, options: list[str], kills: int, seed: int, longest: float) -> tuple[int, dict, list, dict]:
    """Runs killed at random moments until one ends by itself; returns how many kills it took."""
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, provider(*options) as url:
        folder = Path(name)
        notes(folder, url)
        count = 0
        while True:
            process = subprocess.Popen(
                command(folder, optimizer), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            if count < kills:
                try:
                    process.wait(generator.uniform(1.5, longest))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    count += 1
                    continue
            _, err = process.communicate()
            if process.returncode:
                raise SystemExit(f"after {count} kills:\n{err}")
            time.sleep(0.1)
            return count, *outcome(folder), account(url)


def compare(whole: tuple[dict, list, dict], broken: tuple[dict, list, dict]) -> list[str]:
    """In what a killed run differs from an undisturbed one."""
    wrong = []
    for key in whole[0]:
        before, after = (round(v, 9) if isinstance(v, float) else v for v in (whole[0][key], broken[0][key]))
        if before != after:
            wrong.append(f"{key}: {whole[0][key]} against {broken[0][key]}")
    if whole[1] != broken[1]:
        wrong.append("the trajectory differs")
    truth = broken[2]
    twice = truth["answered"] - truth["distinct"] - (whole[2]["answered"] - whole[2]["distinct"])
    if twice:  # MIPROv2 asks some questions several times on purpose, as rollouts; the undisturbed run says how often
        wrong.append(f"{twice} answers were paid twice")
    if broken[0]["calls"] != truth["requests"]:
        wrong.append(f"we counted {broken[0]['calls']} calls, the provider {truth['requests']}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS.names))
    parser.add_argument("--latency", default="0.02")
    parser.add_argument("--per-run", type=int, default=8)
    parser.add_argument("--longest", type=float, default=4.0)
    arguments = parser.parse_args()
    options = ["--latency", arguments.latency]
    total, wrong = 0, 0
    names = arguments.optimizers.split(",")
    whole = {name: undisturbed(name, options) for name in names}
    for name, (body, steps, truth) in whole.items():
        print(f"{name:<10} undisturbed: {body['verdict']}, {len(steps)} candidates, provider {truth}", flush=True)
    seed = 0
    while total < arguments.kills:
        name = names[seed % len(names)]
        limit = min(arguments.per_run, arguments.kills - total)
        count, body, steps, truth = killed(name, options, limit, seed, arguments.longest)
        differences = compare(whole[name], (body, steps, truth))
        total, wrong, seed = total + count, wrong + bool(differences), seed + 1
        print(f"{name:<10} {count:3d} kills  {body['verdict']:<13} {'; '.join(differences) or 'same'}", flush=True)
    print(f"\n{total} kills over {seed} runs: {wrong} runs differ from an undisturbed one")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
