"""A small gym: transcripts to retell, prompts and models to compare, a judge; offline or behind a provider."""

from __future__ import annotations

import json
from pathlib import Path

from calls.ledger import Ledger
from core.workspace import HOME, Workspace
from experiments.grid import make_grid
from experiments.lines import Folder
from experiments.steps import Bench
from tasks.task import assemble, policy_of, read_config
from tracking.store import Store

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


class OpenGym:
    """A bench over a gym's workspace, closed at the end of a ``with`` block."""

    def __init__(self, workspace: Workspace, *sets: str, run_id: str = "test-run") -> None:
        from calls.account import Account

        task = assemble(read_config(workspace, "retell", list(sets)), workspace)
        self.store = Store(workspace.mlruns / "proven.db")
        self.ledger = Ledger(workspace.mlruns / "ledger.db")
        self.account = Account(self.ledger, run_id, task.name, policy_of(task, isolate=True))
        grid = make_grid(task, workspace, self.store, lambda name, alias: f"{name} {alias}")
        from calls.models import load_models

        self.bench = Bench(
            task, grid, Folder.of(workspace, task.name, lambda text: text), self.account, load_models(workspace.models)
        )

    def __enter__(self) -> Bench:
        return self.bench

    def __exit__(self, *error: object) -> None:
        self.account.close()
        self.ledger.close()
        self.store.close()


def rows_of(workspace: Workspace) -> list[dict[str, object]]:
    """The rows of the gym's corpus."""
    return [json.loads(line) for line in (workspace.corpora / "transcripts.jsonl").read_text("utf-8").splitlines()]
