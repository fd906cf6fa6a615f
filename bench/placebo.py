"""How often does each optimiser promote when there is nothing to learn? At most 5 % is promised.

Takes a gold set, shuffles its labels against its inputs, and runs ``optimize`` with many seeds; prints one row per
optimiser. Usage: python bench/placebo.py [GOLD.jsonl] [--seeds 20] [--budget 400]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from optimizers import OPTIMIZERS  # noqa: E402


def shuffled(source: Path, target: Path, seed: int, limit: int) -> None:
    """Write the rows with labels dealt out at random; splits are left to the task."""
    rows = [json.loads(line) for line in source.read_text("utf-8").splitlines() if line.strip()]
    generator = random.Random(seed)
    generator.shuffle(rows)
    rows = rows[:limit]
    labels = [row["label"] for row in rows]
    generator.shuffle(labels)
    lines = [
        json.dumps({"id": row["id"], "input": row["input"], "label": label}, ensure_ascii=False)
        for row, label in zip(rows, labels, strict=True)
    ]
    target.write_text("\n".join(lines) + "\n", "utf-8")


def command(*words: str) -> dict:
    """Run one command of the project and read its JSON."""
    done = subprocess.run(
        [sys.executable, str(HOME / "cli.py"), *words, "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", nargs="?", type=Path, default=HOME / "corpora" / "extraction.jsonl")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", default="400")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS.names))
    arguments = parser.parse_args()
    verdicts: dict[str, Counter] = {}
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            gold = Path(folder) / "placebo.jsonl"
            shuffled(arguments.gold, gold, seed, arguments.rows)
            (Path(folder) / "configs").mkdir()
            command("init", "placebo", "--from-gold", str(gold), "--workspace", folder)
            for name in arguments.optimizers.split(","):
                body = command(
                    "optimize", "placebo", "--optimizer", name, "--budget", arguments.budget, "--seed", str(seed),
                    "--workspace", folder, "--baseline", "seed",
                )  # fmt: skip
                verdicts.setdefault(name, Counter())[body["verdict"]] += 1
                print(f"seed {seed:2d}  {name:<10} {body['verdict']:<13} delta {body['delta']}", flush=True)
    print(f"\n{arguments.gold.name}, labels shuffled, {arguments.seeds} seeds, budget {arguments.budget}")
    for name, counts in verdicts.items():
        share = counts["PROMOTE"] / sum(counts.values())
        print(f"{name:<10} promoted {100 * share:.1f} %  {dict(counts)}")


if __name__ == "__main__":
    main()
