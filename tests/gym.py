"""A small gym: transcripts to retell, prompts and models to compare, a judge; offline or behind a provider."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from core.workspace import HOME, Workspace
from experiments.bench import Bench, open_bench
from tasks.open_run import RunOptions
from tasks.task import assemble, read_config

TASK = """
task: retell
program: condensation
inputs: {{transcript: {{type: text}}}}
outputs: {{condensation: {{type: text}}}}
corpus: {{path: corpora/transcripts.jsonl, count: {count}, min_user_messages: 5}}
models: {{student: {first}, reflector: {judge}, candidates: [{models}]}}
reference: {{model: {judge}}}
prompts:
  default: null
  tighter: Retell it in at most 60 words.
metric: {{name: judge}}
judge:
  model: {judge}
  criteria: [{{name: signal, weight: 60}}, {{name: compression, weight: 40}}]
run: {{confirm_above: 1000}}
"""


def gym(
    folder: Path, *, models: tuple[str, ...] = ("small", "large"), judge: str = "large", count: int = 8, url: str = ""
) -> Workspace:
    """Write the workspace; without a ``url`` the models are the embedded ones."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "corpora").mkdir(exist_ok=True)
    (folder / "corpora" / "transcripts.jsonl").write_text((HOME / "corpora" / "transcripts.jsonl").read_text("utf-8"))
    lines = ["models:"]
    for index, name in enumerate(dict.fromkeys((*models, judge))):
        size = "large" if name.endswith("large") else "small"
        where = f'model: openai/{name}, api_base: "{url}", max_concurrency: 16' if url else f"model: offline/{size}"
        lines.append(f"  {name}: {{{where}, input_price: {index + 1}, output_price: {4 * (index + 1)}}}")
    (folder / "configs" / "models.yaml").write_text("\n".join(lines) + "\n")
    text = TASK.format(count=count, first=models[0], models=", ".join(models), judge=judge)
    (folder / "configs" / "retell.yaml").write_text(text)
    return Workspace(folder)


@contextlib.contextmanager
def open_gym(workspace: Workspace, *sets: str) -> Iterator[Bench]:
    """A bench over a gym's workspace, with a run of its own; MLflow is told nothing."""
    task = assemble(read_config(workspace, "retell", list(sets)), workspace)
    with open_bench(workspace, task, "matrix", RunOptions(track=False, new=True)) as bench:
        yield bench


def rows_of(workspace: Workspace) -> list[dict[str, object]]:
    """The rows of the gym's corpus."""
    return [json.loads(line) for line in (workspace.corpora / "transcripts.jsonl").read_text("utf-8").splitlines()]
