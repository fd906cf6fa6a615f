"""Does the forecast's 80 % interval hold, and how far is the forecast off? Varied runs against the local provider.

Tasks, sizes, optimisers, budgets and seeds vary; each run starts in a workspace of its own, with a pilot. Usage:
python bench/forecast.py [--runs 50] [--data DIR]   (DIR holds further gold files, *.jsonl of {input, label})
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from core.workspace import Workspace  # noqa: E402
from optimizers import OPTIMIZERS  # noqa: E402
from tasks.scaffold import scaffold  # noqa: E402
from tasks.task import assemble, read_config  # noqa: E402
from tests.notes import notes  # noqa: E402
from tests.provider import Provider, serving  # noqa: E402
from tests.runs import optimized, task_of  # noqa: E402


def some_task(folder: Path, url: str, data: list[Path], generator: random.Random):
    """A task of random kind and size."""
    notes(folder, url, run="threads: 4")
    choice = generator.choice(["notes", "extraction", *map(str, data)])
    if choice == "notes":
        name, sets = "notes", []
    elif choice == "extraction":
        (folder / "configs" / "extraction.yaml").write_text((HOME / "configs" / "extraction.yaml").read_text())
        (folder / "corpora" / "extraction.jsonl").write_text((HOME / "corpora" / "extraction.jsonl").read_text())
        name, sets = "extraction", []
    else:
        rows = [json.loads(line) for line in Path(choice).read_text("utf-8").splitlines() if line.strip()]
        rows = generator.sample(rows, min(300, len(rows)))
        rows = list({json.dumps(r["input"]): {"input": r["input"], "label": r["label"]} for r in rows}.values())
        gold = folder / "gold.jsonl"
        gold.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        name, sets = Path(choice).stem.replace(".", "_"), []
        scaffold(name, gold, folder)
        sets = ["split.leaks=drop"]
    sets += ["models.student=far", "models.reflector=mind", "run.confirm_above=100000"]
    workspace = Workspace(folder)
    return name, assemble(read_config(workspace, name, sets), workspace)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--data", type=Path, default=HOME.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    names = ("facility_emails", "snips", "email_intent")
    data = [path for name in names if (path := arguments.data / f"{name}.jsonl").exists()]
    generator = random.Random(arguments.seed)
    inside, errors = 0, []
    for number in range(arguments.runs):
        with tempfile.TemporaryDirectory() as root, serving(Provider()) as provider:
            folder = Path(root)
            name, task = some_task(folder, provider.url, data, generator)
            settings = {"name": generator.choice(list(OPTIMIZERS.names)), "seed": number}
            passes = generator.choice([4, 6, 9, 14])
            settings["budget"] = passes * (len(task.splits.train) + len(task.splits.dev))
            settings["minibatch"], settings["max_demos"] = generator.choice([8, 20]), generator.choice([2, 4])
            place = Workspace(folder)
            result = optimized(place, task_of(place, task.name, **settings), yes=True)
            budget, optimizer = settings["budget"], OPTIMIZERS.get(settings["name"])
        plan, actual = result.plan.cost_usd, result.total_usage.cost_usd
        hit = plan.low <= actual <= plan.high
        inside += hit
        errors.append(abs(actual / plan.expected - 1))
        calls = result.total_usage.calls
        print(
            f"{number:2d} {name:<16} {optimizer.name:<10} budget {budget:5d}: ${plan.expected:.3f} "
            f"({plan.low:.3f} to {plan.high:.3f}), was ${actual:.3f} {actual / plan.expected - 1:+.0%}"
            f"{'' if hit else '  OUT'}   calls {result.plan.calls.expected:.0f} / {calls}",
            flush=True,
        )
        if arguments.verbose:
            for role, usage in sorted(result.usage.items()):
                said = result.plan.roles.get(role)
                if said is not None:
                    print(
                        f"     {role:<10} calls {said.calls.expected:.0f} / {usage.calls}"
                        f"   in {said.input_tokens.expected:.0f} / {usage.input_tokens}"
                        f"   out {said.output_tokens.expected:.0f} / {usage.output_tokens}"
                    )
    share = inside / len(errors)
    print(f"\n{len(errors)} runs: {share:.0%} inside the 80 % interval; median error {statistics.median(errors):.0%}")


if __name__ == "__main__":
    main()
