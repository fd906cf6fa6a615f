"""How fast is an evaluation over HTTP with the ledger and MLflow on, against the ideal and against bare dspy.Evaluate?

The provider is a process of its own that waits and answers with a fixed text. Printed are seconds, the ratio to the
ideal time (rows x latency / workers), and what the ledger costs per call at zero latency.
Usage: python bench/throughput.py [--rows 2000] [--workers 64] [--latency 0.2]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

import dspy  # noqa: E402

from bench.kill import provider  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from metrics.metric import to_example  # noqa: E402
from tasks.open_run import RunOptions, open_run  # noqa: E402
from tasks.purpose import Purpose  # noqa: E402
from tasks.task import assemble, read_config  # noqa: E402


def make_task(folder: Path, url: str, rows: int, workers: int = 1):
    """A classification task with so many rows, all of them in train."""
    (folder / "configs").mkdir(parents=True)
    (folder / "corpora").mkdir()
    (folder / "configs" / "models.yaml").write_text(
        f'models:\n  far: {{model: openai/far, api_base: "{url}", input_price: 1, output_price: 4}}\n'
    )
    generator = random.Random(0)
    lines = [
        json.dumps({
            "id": f"r{i}", "input": {"text": " ".join(generator.choices("abcdefgh", k=60)) + f" {i}"},
            "label": {"label": generator.choice("ab")}, "split": "train" if i >= 60 else ("dev", "test")[i % 2],
        })
        for i in range(rows + 60)
    ]  # fmt: skip
    (folder / "corpora" / "t.jsonl").write_text("\n".join(lines))
    (folder / "configs" / "t.yaml").write_text(
        "task: t\ninputs: {text: {type: text}}\noutputs: {label: {type: categorical, labels: [a, b]}}\n"
        "corpus: {path: corpora/t.jsonl}\nmodels: {student: far, reflector: far}\nsplit: {leaks: drop}\n"
    )
    workspace = Workspace(folder)
    return assemble(read_config(workspace, "t", [f"run.threads={workers}"]), workspace)


def ours(folder: Path, url: str, rows: int, workers: int, latency: float) -> float:
    """Seconds of one evaluation with everything on."""
    task = make_task(folder, url, rows, workers)
    with open_run(Workspace(folder), task, Purpose("eval"), RunOptions()) as run:
        run.evaluate(task.program, task.splits.dev[:2], split="dev")  # start the courier
        while run.store.unsynced():  # MLflow is imported and the run is known there
            time.sleep(0.05)
        started = time.perf_counter()
        result = run.evaluate(task.program, task.splits.train, split="train")
        seconds = time.perf_counter() - started
        assert result.complete
        assert len(result.rows) == rows
        run.ledger.flush()
        assert sum(usage.calls for usage in run.account.spent().values()) == rows + 2
    return seconds


def bare(folder: Path, url: str, rows: int, workers: int) -> float:
    """Seconds of DSPy's own evaluation, without cache, ledger or MLflow."""
    task = make_task(folder, url, rows)
    lm = dspy.LM("openai/far", api_base=url, api_key="none", cache=False)
    examples = [to_example(row) for row in task.splits.train]
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter(use_json_adapter_fallback=False), disable_history=True):
        task.program(**task.splits.dev[0].inputs)
        evaluate = dspy.Evaluate(
            devset=examples, metric=lambda g, p, t=None: float(g.label == p.label), num_threads=workers,
            display_progress=False,
        )  # fmt: skip
        started = time.perf_counter()
        evaluate(task.program)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    rows, workers, latency = arguments.rows, arguments.workers, arguments.latency
    ideal = rows * latency / workers
    print(f"{rows} rows, {workers} workers, {1000 * latency:.0f} ms: ideal {ideal:.2f} s")
    for _ in range(arguments.times):
        with provider("--canned", "--latency", str(latency)) as url, tempfile.TemporaryDirectory() as folder:
            here = ours(Path(folder) / "ours", url, rows, workers, latency)
            there = bare(Path(folder) / "bare", url, rows, workers)
        ratios = here / ideal, there / ideal
        print(f"  ours {here:.2f} s ({ratios[0]:.3f} x ideal)   bare dspy.Evaluate {there:.2f} s ({ratios[1]:.3f} x)")
    for threads in (1, 8):
        with provider("--canned") as url, tempfile.TemporaryDirectory() as folder:
            here = ours(Path(folder) / "ours", url, rows, threads, 0)
            there = bare(Path(folder) / "bare", url, rows, threads)
        each = 1000 * (here - there) / rows
        print(f"  zero latency, {threads} workers: ours {here:.2f} s, bare {there:.2f} s: {each:+.2f} ms per call")


if __name__ == "__main__":
    main()
