"""``sessions suggest``: guidelines from mined patterns and root causes, as a configuration that can be tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Chosen, SessionPlace, Starting
from commands.outcome import Outcome
from commands.sessions.explain import told

if TYPE_CHECKING:
    from core.diagnosis import Diagnosis
    from core.workspace import Workspace
    from experiments.config import ExperimentConfig

EXAMPLE = (
    "python cli.py sessions suggest --where experiment=shop_baseline --parent shop_baseline "
    "--into configs/experiments/shop_suggested.json"
)


def command(
    place: SessionPlace,
    chosen: Chosen,
    spending: Starting,
    into: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a configuration with the first guideline (.json).")
    ] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its parent; the experiment of the sessions unless given.")
    ] = None,
    take: Annotated[int, typer.Option(min=1, max=10, help="How many guidelines to write; one is told apart best.")] = 1,
    most: Annotated[int, typer.Option(min=1, max=20, help="How many to ask for.")] = 3,
    model: Annotated[str | None, typer.Option(help="Model that analyses; the embedded one unless given.")] = None,
) -> Outcome:
    """Ask a model for guidelines, given what mining finds and why a few sessions failed; `experiment` tests them."""
    from rich.console import Console

    from experiments.diagnosis import about_failures, diagnose
    from reports.progress import LiveProgress

    where = place.find()
    with place.open() as store:
        sessions = list(store.sessions(chosen.chain(), trajectories=True))
    base = _parent(where, into, parent, {session.experiment for session in sessions}) if into else None
    question = about_failures(sessions, suggestions=max(most, take))
    caps = {key: value for key, value in spending.keys().items() if value is not None}
    with LiveProgress(Console(stderr=True), "session_analysis") as progress:
        found = diagnose(where, question, model, spending.options(progress), caps)
    body: dict[str, Any] = json.loads(_json(found))
    lines = [told(found), *(f"suggested: {one.guideline}\n  because {one.why}" for one in found.suggestions)]
    if not found.suggestions:
        lines.append("no guideline was suggested; nothing was written")
    elif base is not None and into is not None:
        _write(into, base, parent or base.experiment_id, found, take)
        body["config"] = str(into)
        lines.append(f"wrote {into}; test it: python cli.py experiment --control {parent or base.experiment_id} "
                     f"--test {into}{place.suffix}")  # fmt: skip
    return Outcome(body, "\n".join(lines))


def _json(found: Diagnosis) -> str:
    from core.plain import to_json

    return to_json(found)


def _parent(where: Workspace, into: Path, parent: str | None, experiments: set[str]) -> ExperimentConfig:
    """The configuration that the new one is a child of.

    Raises:
        UsageError: If the file is there already or is no JSON file, or nobody says which the parent is.
    """
    import re

    from core.errors import UsageError
    from experiments.config import NAME, load_experiment

    if into.suffix != ".json" or not re.match(NAME, into.stem):
        raise UsageError(f"--into: received {str(into)!r}; allowed is a name of letters, digits, . _ - with .json")
    if into.exists():
        raise UsageError(f"--into: {into} is there already", hint="name another file; a configuration keeps its name")
    named = parent or (next(iter(experiments)) if len(experiments) == 1 else "")
    if not named:
        raise UsageError(
            f"--into needs --parent NAME: the sessions are of {len(experiments)} experiments: "
            f"{', '.join(sorted(experiments)[:6])}"
        )
    return load_experiment(named, root=where.root)


def _write(into: Path, base: ExperimentConfig, parent: str, found: Diagnosis, take: int) -> None:
    from core.files import write_text

    chosen = found.suggestions[:take]
    config = {
        "experiment_id": into.stem,
        "parent": parent,
        "description": f"Suggested by {found.model} in run {found.run_id}: {'; '.join(one.why for one in chosen)}"[
            :500
        ],
        "guidelines": [*base.guidelines, *(one.guideline for one in chosen)],
        "hypothesis": None,
    }
    write_text(into, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
