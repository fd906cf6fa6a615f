"""The matrix: time against the ideal over HTTP, what racing saves and whether it keeps the front, kills and repeats.

Usage: python -m bench.matrix [--seeds 50] [--kills 20]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.kill import provider as provider_process
from core.workspace import HOME, Workspace
from experiments.grid import choose_rows
from experiments.steps import judge, prepare, race, report, run, run_and_judge
from metrics.evaluate import run_row
from tests.gym import gym, open_gym
from tests.provider import Provider, serving

LATENCY, LIMIT = 0.2, 16


def timing(rows: int) -> None:
    """Twelve cells: four models, three prompts, 16 calls at a time per model, 200 ms per call."""
    models = ("small-a", "small-b", "small-c", "large")
    with tempfile.TemporaryDirectory() as root, provider_process("--latency", str(LATENCY)) as url:
        workspace = gym(Path(root), models=models, judge="judge-large", url=url, count=rows)
        config = workspace.configs / "retell.yaml"
        config.write_text(config.read_text().replace("prompts:", "prompts:\n  short: Retell it in 30 words."))
        sets = ("split.fractions={train: 0.6, dev: 0.3}", "corpus.min_user_messages=0")
        with open_gym(workspace, *sets, "corpus.count=1") as bench:  # the process that makes the calls is started
            prepare(bench)
            run_and_judge(bench)
        with open_gym(workspace, *sets, "run.cache=false") as bench:
            cells = len(bench.grid.cells)
            prepare(bench)
            run_row(
                bench.task.program, choose_rows(bench.task)[0], bench.lms("student")["large"], bench.task.adapter, 9
            )
            started = time.perf_counter()
            run_and_judge(bench)
            seconds = time.perf_counter() - started
    ideal_run = math.ceil(rows * cells // len(models) / LIMIT) * LATENCY
    ideal_judge = math.ceil(rows * cells / LIMIT) * LATENCY
    print(
        f"{cells} cells x {rows} rows: {seconds:.2f} s; ideal {ideal_run:.2f} s of outputs and {ideal_judge:.2f} s of "
        f"judgements, {seconds / (ideal_run + ideal_judge):.2f} x their sum, "
        f"{seconds / (ideal_judge + LATENCY):.2f} x the longer one"
    )


def racing(seeds: int) -> None:
    """A grid with one good cell and three that are longer and worse: calls spent, and the front, over many orders."""
    same, shares = 0, []
    with tempfile.TemporaryDirectory() as root:
        workspace = gym(Path(root), models=("small",), count=50)
        config = workspace.configs / "retell.yaml"
        longer = "".join(f"  long{i}: Retell it in at most {400 + 50 * i} words.\n" for i in range(3))
        text = config.read_text().replace("  tighter: Retell it in at most 60 words.\n", "")
        config.write_text(text.replace("metric:", f"{longer}metric:", 1))
        for seed in range(seeds):
            sets = (
                "split.fractions={train: 0.6, dev: 0.3}", "corpus.min_user_messages=0", "judge.criteria=[compression]",
                f"split.salt={seed}",
            )  # fmt: skip
            with open_gym(workspace, *sets) as bench:
                prepare(bench)
                run(bench)
                judge(bench)
                whole = report(bench, "whole", {}, 0.0)
                info = race(bench, 0.05)
                raced = report(bench, "raced", {}, 0.0)
            front = [c.name for c in whole.cells if c.on_front]
            same += front == [c.name for c in raced.cells if c.on_front]
            shares.append(info.made / info.planned)
    print(
        f"racing, {seeds} seeds: calls spent {max(shares):.0%} at most, {sum(shares) / len(shares):.0%} on average; "
        f"the same front in {same} of {seeds}"
    )


def kills(count: int) -> None:
    """Kill `matrix` at random moments and repeat it: repeated calls by the provider's count, and the same cells."""
    generator = random.Random(0)
    provider = Provider(latency=0.02)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two, serving(provider) as live:
        calm = gym(Path(one), models=("small", "mid-large"), judge="large", url=live.url, count=14)
        begun = time.perf_counter()
        clean = _cells(_matrix(calm))
        whole = time.perf_counter() - begun
        with live.lock:
            live.answered.clear()
        rough = gym(Path(two), models=("small", "mid-large"), judge="large", url=live.url, count=14)
        for _ in range(count):
            process = subprocess.Popen(_command(rough), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            time.sleep(generator.uniform(0.5 * whole, whole))
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = _cells(_matrix(rough))
        time.sleep(1)
        print(f"matrix, {count} kills: {live.repeated} repeated calls; the same cells: {done == clean}")


def _command(workspace: Workspace) -> list[str]:
    return [sys.executable, str(HOME / "cli.py"), "matrix", "retell", "--json", "--workspace", str(workspace.root)]


def _matrix(workspace: Workspace) -> dict[str, object]:
    done = subprocess.run(_command(workspace), capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(done.stdout)


def _cells(body: dict[str, object]) -> list[tuple[object, ...]]:
    cells: list[dict[str, object]] = body["cells"]  # type: ignore[assignment]
    return [(c["prompt"], c["model"], c["score"], c["standing"], c["delta"]) for c in cells]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    timing(arguments.rows)
    racing(arguments.seeds)
    kills(arguments.kills)


if __name__ == "__main__":
    main()
