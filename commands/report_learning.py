"""``report-learning``: what sessions and playbooks of learning keys show, as JSON, Markdown and pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.workspace import Workspace
    from playbook.manifest import Earlier, Manifest, RunMetadata
    from playbook.summary import Asked, KeySummary

EXAMPLE = "python cli.py report-learning --recent-window 10 --baseline-window 50 --limit 5"
TASK, KIND = "learning_report", "learning"
"""What a report that compares is called in the record and in MLflow."""
WHICH, HOW, ABOUT = "Which sessions", "How they are looked at", "Conditions, for the manifest"


def command(
    place: SessionPlace,
    learning_key: Annotated[
        list[str] | None,
        typer.Option("--learning-key", metavar="KEY", help="This key; else the latest ones.", rich_help_panel=WHICH),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most keys.", rich_help_panel=WHICH)] = 5,
    filter_project: Annotated[
        list[str] | None, typer.Option("--filter-project", help="Only this project.", rich_help_panel=WHICH)
    ] = None,
    filter_task: Annotated[
        list[str] | None, typer.Option("--filter-task", help="Only this task.", rich_help_panel=WHICH)
    ] = None,
    filter_tag: Annotated[
        list[str] | None,
        typer.Option(
            "--filter-tag", metavar="NAME=VALUE", help="Only with this tag; NAME is NAME=true.", rich_help_panel=WHICH
        ),
    ] = None,
    recent_window: Annotated[int, typer.Option(min=1, help="Last sessions with a reward.", rich_help_panel=HOW)] = 10,
    baseline_window: Annotated[int, typer.Option(min=1, help="Sessions before those.", rich_help_panel=HOW)] = 50,
    overlapping: Annotated[
        bool, typer.Option("--overlapping", help="Let the baseline contain the recent window.", rich_help_panel=HOW)
    ] = False,
    control: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Compare the others with this key, task by task.", rich_help_panel=HOW),
    ] = None,
    summary_only: Annotated[
        bool, typer.Option("--summary-only", help="Count by SQL; read no trajectory.", rich_help_panel=HOW)
    ] = False,
    trajectory_limit: Annotated[
        int, typer.Option(min=1, help="Most trajectories of a key that are read.", rich_help_panel=HOW)
    ] = 200,
    discovery_limit: Annotated[int, typer.Option(min=0, help="Most discovery runs.", rich_help_panel=HOW)] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="Keys at a time.", rich_help_panel=HOW)] = 4,
    compare_to: Annotated[
        str | None, typer.Option(metavar="INDEX", help="index.json of an earlier report.", rich_help_panel=HOW)
    ] = None,
    prompt_variant: Annotated[str | None, typer.Option(help="The prompt under test.", rich_help_panel=ABOUT)] = None,
    synthesis_model: Annotated[
        list[str] | None, typer.Option("--synthesis-model", help="Who proposed entries.", rich_help_panel=ABOUT)
    ] = None,
    pamphlet_injection: Annotated[
        str | None, typer.Option(help="Entries in prompts: on, off or toggle.", rich_help_panel=ABOUT)
    ] = None,
    playbook_entry_labels: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON: category by entry, over the entry's own.", rich_help_panel=ABOUT),
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Else mlruns/learning/.")] = None,
    no_markdown: Annotated[bool, typer.Option("--no-markdown", help="Write no Markdown.")] = False,
) -> Outcome:
    """Say of each learning key whether its sessions get better, and what its playbook has to do with it."""
    import datetime as dt

    from core.errors import UsageError
    from playbook.book import open_playbooks
    from playbook.manifest import PAMPHLET_MODES, RunMetadata, read_earlier, read_labels, with_controls
    from playbook.summary import Asked, summarise

    if pamphlet_injection not in (None, *PAMPHLET_MODES):
        raise UsageError(f"--pamphlet-injection: received {pamphlet_injection!r}; allowed: {', '.join(PAMPHLET_MODES)}")
    labels = read_labels(Path(playbook_entry_labels).expanduser()) if playbook_entry_labels else {}
    earlier = read_earlier(Path(compare_to).expanduser()) if compare_to else None
    controls = tuple(control or ())
    keys = tuple(dict.fromkeys([*(learning_key or ()), *(controls if learning_key else ())]))
    asked = Asked(
        keys, limit, recent_window, baseline_window, overlapping, tuple(filter_project or ()),
        tuple(filter_task or ()), _tags(filter_tag or []), summary_only, batch_size, trajectory_limit, discovery_limit,
    )  # fmt: skip
    where = place.find()
    with place.open() as store:
        found = summarise(store, open_playbooks(where), asked, labels)
        about = RunMetadata(
            prompt_variant, tuple(synthesis_model or ()), pamphlet_injection, labels, _filters(asked),
            {"recent": recent_window, "baseline": baseline_window, "overlapping": overlapping}, summary_only,
            store.name, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        )  # fmt: skip
    if not found:
        hint = "sessions name their thread in tags.learning_key; see docs/learning.md"
        return Outcome({"learning_keys": []}, f"no session with a learning key fits\n  hint: {hint}", code=1)
    folder = Path(out).expanduser() if out else where.mlruns / "learning"
    return reported(where, with_controls(found, controls), about, earlier, folder, markdown=not no_markdown)


def reported(
    where: Workspace,
    found: Sequence[KeySummary],
    about: RunMetadata,
    earlier: Earlier | None,
    folder: Path,
    *,
    markdown: bool,
) -> Outcome:
    """Write a report, and keep it as a run where it compares keys with controls or with an earlier report."""
    index, outcome = _written(found, about, earlier, folder, markdown=markdown)
    if earlier is None and not any(one.control for one in found):
        return outcome
    run_id = _recorded(where, found, index)
    return replace(outcome, body={**outcome.body, "run_id": run_id}, text=f"{outcome.text}\nrun     {run_id}")


def _recorded(where: Workspace, found: Sequence[KeySummary], index: Manifest) -> str:
    """Keep a report that compares as a run, whose keys stand beside each other in MLflow; says the run's id."""
    import contextlib

    from commands.flags import typed
    from core.optimization import RunStart, SplitInfo
    from core.plain import digest
    from core.redact import from_environment
    from playbook.compared import compared
    from tracking.events import EventKind
    from tracking.projection import following
    from tracking.run import Run, new_run_id
    from tracking.store import Store

    run_id, now = new_run_id(TASK), index.run_metadata.evaluated_at
    record = compared(run_id, now, found, index)
    data = digest([record.conditions, [one.key for one in found]])
    start = RunStart(
        run_id, TASK, typed(), now, record.conditions, {"stage": KIND}, SplitInfo(0, 0, 0, data, ""), {},
        {"kind": KIND, "run": run_id}, KIND,
    )  # fmt: skip
    with (
        contextlib.closing(Store(where.mlruns / "proven.db", from_environment(where.root))) as store,
        following(store, where.mlruns) as tracker,
    ):
        run = Run(store, start, tracker)
        run.emit(EventKind.LEARNING, record)
        run.finish()
    return run_id


def _tags(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        found[name] = (*found.get(name, ()), value if equals else "true")
    return found


def _filters(asked: Asked) -> dict[str, tuple[str, ...]]:
    named = {"project": asked.projects, "task": asked.tasks, **{f"tag {name}": its for name, its in asked.tags.items()}}
    return {name: values for name, values in named.items() if values}


def _written(
    found: Sequence[KeySummary], about: RunMetadata, earlier: Earlier | None, folder: Path, *, markdown: bool
) -> tuple[Manifest, Outcome]:
    """Write the files of every key, then the manifest that names them."""
    from core.files import write_text
    from core.plain import to_json
    from playbook.manifest import INDEX, manifest, summary_json
    from reports import learning_overview, learning_report, render_html, render_markdown

    files = {
        one.key: {
            "json": f"{one.slug}_summary.json",
            **({"markdown": f"{one.slug}_summary.md"} if markdown else {}),
            "html": f"{one.slug}_summary.html",
        }
        for one in found
    }
    index = manifest(found, files, about, earlier)
    for one in found:
        comparison, names = index.comparisons.get(one.key), files[one.key]
        page = learning_report(one, comparison)
        write_text(folder / names["json"], summary_json(one, comparison))
        write_text(folder / names["html"], render_html(page))
        if markdown:
            write_text(folder / names["markdown"], render_markdown(page))
    overview = learning_overview(found, index)
    write_text(folder / "index.html", render_html(overview))
    write_text(folder / INDEX, to_json(index) + "\n")
    return index, Outcome(_body(index, folder), f"\nreport  {folder / 'index.html'}", overview)


def _body(index: Any, folder: Path) -> dict[str, Any]:
    import json

    from core.plain import to_json

    return {**json.loads(to_json(index)), "folder": str(folder)}
