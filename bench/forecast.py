"""Does the forecast's 80 % interval hold? First runs on fresh tasks of many shapes, with the embedded models.

Rows, fields, labels, lengths, noise, splits, optimisers, budgets, models, pilots and seeds vary; each run starts in a
workspace of its own, with a pilot. Usage:
python bench/forecast.py [--runs 48] [--seed 0] [--data DIR] [--out FILE.jsonl]   (DIR holds further gold files)
python bench/forecast.py --read FILE.jsonl ...   tell of runs found before
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from core.errors import ProvenError  # noqa: E402
from core.optimization import Optimization, Range  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from optimizers import OPTIMIZERS  # noqa: E402
from optimizers.calibration import CALLS, TOKENS, distance, margin_of  # noqa: E402
from tasks.scaffold import scaffold  # noqa: E402
from tasks.task import Task  # noqa: E402
from tests.runs import optimized, task_of  # noqa: E402

MODELS = """
models:
  small: {model: offline/small, input_price: 0.8, output_price: 4, latency: 0.003}
  large: {model: offline/large, input_price: 3, output_price: 15, latency: 0.006}
"""
SHIPPED = {
    "extraction": "extraction.jsonl",
    "follow_ups": "transcripts.jsonl",
    "dropped_commitments": "transcripts.jsonl",
    "condensation": "transcripts.jsonl",
}


def made_up(dice: random.Random) -> list[dict[str, Any]]:
    """Rows of a task that nobody has seen: labels by signs in the text, some of them wrong."""
    words = ["".join(dice.choices("abcdefghilmnoprstuv", k=dice.randint(3, 9))) for _ in range(dice.randint(40, 400))]
    fields = {
        f"field_{number}": {f"label_{number}_{label}": dice.sample(words, 3) for label in range(dice.randint(2, 7))}
        for number in range(dice.randint(1, 4))
    }
    length, noise, rows = dice.choice([6, 15, 40, 120]), dice.choice([0.0, 0.1, 0.3]), []
    for number in range(dice.choice([60, 90, 150, 240])):
        text, label = dice.choices(words, k=dice.randint(length // 2 + 1, length * 2)), {}
        for field, signs in fields.items():
            true = dice.choice(list(signs))
            text += dice.sample(signs[true], 2)
            label[field] = dice.choice(list(signs)) if dice.random() < noise else true
        dice.shuffle(text)
        rows.append({"id": f"r{number}", "input": {"text": " ".join([*text, str(number)])}, "label": label})
    return rows


def some_task(folder: Path, data: list[Path], dice: random.Random) -> str:
    """A task of random kind and size, by its name."""
    (folder / "configs").mkdir()
    (folder / "corpora").mkdir()
    (folder / "configs" / "models.yaml").write_text(MODELS)
    kind = dice.choice(["made up", "made up", *SHIPPED, *map(str, data), *map(str, data)])
    if kind in SHIPPED:
        text = (HOME / "configs" / f"{kind}.yaml").read_text("utf-8")
        (folder / "configs" / f"{kind}.yaml").write_text(text.replace("stand-in/opus", "large"))
        (folder / "corpora" / SHIPPED[kind]).write_text((HOME / "corpora" / SHIPPED[kind]).read_text("utf-8"))
        return kind
    if kind == "made up":
        rows = made_up(dice)
    else:
        found = [json.loads(line) for line in Path(kind).read_text("utf-8").splitlines() if line.strip()]
        found = dice.sample(found, min(dice.choice([80, 150, 250]), len(found)))
        rows = list({json.dumps(r["input"]): {"input": r["input"], "label": r["label"]} for r in found}.values())
    gold = folder / "gold.jsonl"
    gold.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    scaffold("fresh", gold, folder)
    return "fresh"


def some_settings(task: Task, dice: random.Random) -> dict[str, Any]:
    """An optimiser, and what it may spend."""
    passes = dice.choice([3, 4, 6, 9])
    return {
        "name": dice.choice(list(OPTIMIZERS.names)),
        "budget": passes * (len(task.splits.train) + len(task.splits.dev)),
        "minibatch": dice.choice([5, 10, 20]),
        "max_demos": dice.choice([1, 2, 4, 6]),
        "seed": dice.randrange(1000),
    }


def one_run(number: int, data: list[Path]) -> dict[str, Any]:
    """One first run on a fresh task: what was said and what it took."""
    dice = random.Random(number)
    with tempfile.TemporaryDirectory() as root:
        place = Workspace(Path(root))
        name = some_task(place.root, data, dice)
        sets = [
            f"models.student={dice.choice(['small', 'large'])}",
            "models.reflector=large",
            f"run.pilot={dice.choice([6, 10, 10, 16])}",
            "run.threads=2",
            "judge.trusted=true",
            "split.leaks=drop",
        ]
        sets = sets if name == "condensation" else [s for s in sets if not s.startswith("judge")]
        settings = some_settings(task_of(place, name, *sets), dice)
        result = optimized(place, task_of(place, name, *sets, **settings), yes=True)
    return record(number, name, result)


def record(number: int, name: str, result: Optimization) -> dict[str, Any]:
    """Forecast and outcome as a line of JSON."""
    plan, usage = result.plan, result.total_usage
    assert plan.cost_usd is not None
    assert usage.cost_usd is not None
    cost = plan.cost_usd
    return {
        "number": number,
        "task": name,
        "optimizer": result.optimizer,
        "money": [cost.low, cost.expected, cost.high, usage.cost_usd],
        "calls": [plan.calls.low, plan.calls.expected, plan.calls.high, usage.calls],
        "roles": {
            role: [
                [said.calls.expected, said.input_tokens.expected, said.output_tokens.expected],
                [usage.calls, usage.input_tokens, usage.output_tokens],
            ]
            for role, usage in result.usage.items()
            if (said := plan.roles.get(role)) is not None
        },
        "dev": len(result.dev_baseline.rows),
        "train": result.splits.train,
        "params": dict(result.params),
        "candidates": len(result.candidates),
        "opened": result.holdout_baseline is not None,
    }


def inside(found: list[float]) -> bool:
    """Whether the last of low, expected, high, actual lies between low and high."""
    return found[0] <= found[3] <= found[2]


def tell(runs: list[dict[str, Any]]) -> None:
    """Shares inside the interval, median errors and widths, by optimiser."""
    for name in [*sorted({run["optimizer"] for run in runs}), None]:
        chosen = [run for run in runs if name in (None, run["optimizer"])]
        said = []
        for what in ("money", "calls"):
            found = [run[what] for run in chosen]
            share = statistics.fmean(map(inside, found))
            error = statistics.median(abs(actual / expected - 1) for _, expected, _, actual in found)
            width = statistics.median(high / low for low, _, high, _ in found)
            said.append(f"{what} {share:4.0%} inside, median error {error:3.0%}, high/low {width:.2f}")
        print(f"{name or 'all':<10} {len(chosen):3d} runs   {'   '.join(said)}")
    for what, margin in (("money", TOKENS), ("calls", CALLS)):
        far = [distance(Range(found[1], found[0], found[2]), found[3]) for found in (run[what] for run in runs)]
        print(f"margin of {what} by these runs: {margin + margin_of(far):.3f}, in force {margin:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0, help="number of the first run; each has its own task")
    parser.add_argument("--data", type=Path, help="folder of further gold files, *.jsonl of {input, label}")
    parser.add_argument("--out", type=Path, help="where to append what was found")
    parser.add_argument("--read", type=Path, nargs="*", help="tell of runs found before")
    arguments = parser.parse_args()
    if arguments.read:
        lines = [line for path in arguments.read for line in path.read_text("utf-8").splitlines()]
        tell([json.loads(line) for line in lines])
        return
    data = sorted(arguments.data.glob("*.jsonl")) if arguments.data else []
    runs: list[dict[str, Any]] = []
    for number in range(arguments.seed, arguments.seed + arguments.runs):
        try:
            run = one_run(number, data)
        except ProvenError as error:  # no outcome to compare with, such as a reflector that writes what cannot be read
            print(f"{number:3d} ended without an outcome: {error.message}", flush=True)
            continue
        runs.append(run)
        if arguments.out:
            with arguments.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(run) + "\n")
        shown = "   ".join(
            f"{what} {expected:.4g} ({low:.4g} to {high:.4g}), was {actual:.4g} {math.log(actual / expected):+.2f}"
            f"{'' if inside(run[what]) else ' OUT'}"
            for what in ("money", "calls")
            for low, expected, high, actual in [run[what]]
        )
        print(f"{number:3d} {run['task']:<12} {run['optimizer']:<10} {shown}", flush=True)
    if runs:
        tell(runs)


if __name__ == "__main__":
    main()
