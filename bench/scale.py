"""How `init`, `validate` and a forecast grow with the corpus and the budget, against only reading the rows.

    python -m bench.scale                 100 000 rows, as people have them
    python -m bench.scale --rows 2000     a look

Each command runs by itself; CPU seconds and the largest memory are its own, as the kernel tells them. Beside them
stands the ideal: one process that reads the same file and parses every row as JSON, once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.notes import WORDS

HOME = Path(__file__).resolve().parent.parent
IDEAL = "import json, sys\nrows = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]\n"
BUDGETS = (1000, 1_000_000, 1_000_000_000)


@dataclass(frozen=True)
class Took:
    """What a process used."""

    seconds: float
    megabytes: float
    code: int


def took(command: list[str]) -> Took:
    """Run a command and ask the kernel what it used."""
    process = subprocess.Popen(
        command, cwd=HOME, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Took(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def write_rows(path: Path, count: int, seed: int) -> None:
    """Rows of some 350 bytes with a label of five values that their words decide."""
    generator = random.Random(seed)
    with path.open("w", encoding="utf-8") as handle:
        for number in range(count):
            words = generator.choices(WORDS, k=40)
            label = {"team": ("billing", "delivery", "repair", "sales", "other")[words.count("river") % 5]}
            text = " ".join([*words, str(number)])
            handle.write(json.dumps({"id": f"r{number}", "input": {"text": text}, "label": label}) + "\n")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = root / "big.jsonl"
        write_rows(rows, arguments.rows, arguments.seed)
        cli, where = [sys.executable, str(HOME / "cli.py")], ["--workspace", folder]
        commands = {
            "read and parse alone": [sys.executable, "-c", IDEAL, str(rows)],
            "init": [*cli, "init", "big", "--from-gold", str(rows), *where],
            "validate": [*cli, "validate", "big", *where],
        }
        for budget in BUDGETS:
            flags = ["--dry-run", "--pilot", "0", "--budget", str(budget)]
            commands[f"forecast of {budget:,} rollouts"] = [*cli, "optimize", "big", *flags, *where]
        print(f"{arguments.rows:,} rows, {rows.stat().st_size / 1e6:.1f} MB")
        print(f"{'':<36}{'CPU s':>8}{'MB':>8}{'exit':>6}")
        for name, command in commands.items():
            found = took(command)
            print(f"{name:<36}{found.seconds:>8.2f}{found.megabytes:>8.0f}{found.code:>6}", flush=True)


if __name__ == "__main__":
    main()
