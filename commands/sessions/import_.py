"""``sessions import``: logs of agents in any layout become sessions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import SessionPlace
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace
    from sessions.importing import Imported

EXAMPLE = "python cli.py sessions import runs/ --mapping configs/sessions/tau_bench.yaml"
RUN = "run:"
"""Before the id of a run of this workspace, whose evaluations become sessions."""
SHOWN = 10
"""Problems that are printed; ``--json`` has all of them."""


def command(
    source: Annotated[str, typer.Argument(help="File, folder or quoted pattern; or run:ID.", show_default=False)],
    place: SessionPlace,
    mapping: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML that says where the fields of a session are.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="Layout of the logs; told by their content.")] = "auto",
    experiment: Annotated[str, typer.Option(help="Experiment of sessions whose log names none.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite sessions that are there with other content.")
    ] = False,
) -> Outcome:
    """Bring logs of agents into the session store; whatever cannot be read is named by file and line."""
    from core.errors import UsageError
    from sessions.importing import How, import_sessions
    from sessions.layouts.mapping import read_mapping

    where = place.find()
    if source.startswith(RUN):
        if mapping is not None or form != "auto":
            raise UsageError(f"{source}: the evaluations of a run need neither --mapping nor --format")
        with place.open() as store, tempfile.TemporaryDirectory() as folder:
            files = _evaluations(where, source.removeprefix(RUN), Path(folder))
            done = import_sessions(store, str(files), files, How("evaluation", experiment=experiment, replace=replace))
        return Outcome(_body(done), _told(done))
    path = None
    if mapping is not None:
        if form != "auto":
            raise UsageError("--mapping and --format exclude each other: a mapping describes the layout")
        path = Path(mapping).expanduser()
        path = path if path.exists() else where.root / path
    how = How(form, None if path is None else read_mapping(path), path, experiment, replace)
    with place.open() as store:
        done = import_sessions(store, source, Path.cwd(), how)
    return Outcome(_body(done), _told(done))


def _evaluations(where: Workspace, run_id: str, folder: Path) -> Path:
    """The evaluations of a run of this workspace as files of their own.

    Raises:
        StoreError: If there is no such run.
        UsageError: If it has no evaluation.
    """
    import contextlib

    from core.errors import UsageError
    from tasks.open_run import open_store
    from tracking.events import EventKind

    with contextlib.closing(open_store(where)) as store:
        run = store.run(run_id)
        start, events = store.started(run.run_id), store.events(run.run_id, kind=EventKind.EVALUATION)
        if not events:
            raise UsageError(f"run {run.run_id} ({run.kind}) has no evaluation", hint="make one: eval TASK --split dev")
        about = {"run_id": run.run_id, "task": start.task, "model": start.params.get("student", "")}
        for number, event in enumerate(events):
            said = {**json.loads(event.payload), **about, "at": event.at}
            (folder / f"{run.run_id}-{number}.json").write_text(json.dumps(said), "utf-8")
    return folder


def _body(done: Imported) -> dict[str, Any]:
    return {
        "files": done.files,
        "sessions": done.read,
        "outcomes": {outcome.value: count for outcome, count in done.sessions.items()},
        "layouts": dict(done.layouts),
        "added": done.added,
        "replaced": done.replaced,
        "same": done.same,
        "refused": done.refused,
        "problems": done.problems,
        "unfound": done.unfound,
        "aggregates_agreed": done.agreed,
        "contradictions": [vars(each) for each in done.contradictions],
    }


def _told(done: Imported) -> str:
    from sessions.record import Outcome as Ending

    counts = ", ".join(f"{done.sessions[ending]:,} {ending.value}" for ending in Ending if done.sessions[ending])
    lines = [f"read {done.read:,} sessions in {done.files:,} files: {counts or 'none that is new'}"]
    decided = done.sessions[Ending.SUCCESS] + done.sessions[Ending.AGENT_FAILURE]
    if decided:
        left = done.read - decided
        rest = f"; {left:,} left out (infrastructure or unknown)" if left else ""
        lines.append(f"  success        {done.sessions[Ending.SUCCESS] / decided:.1%} of {decided:,}{rest}")
    lines.append(f"  added          {done.added:,}")
    if done.replaced:
        lines.append(f"  replaced       {len(done.replaced):,}")
    if done.same:
        lines.append(f"  there already  {done.same:,}, with the same content")
    if done.agreed:
        lines.append(f"  published      {done.agreed:,} figures agree with the sessions")
    for title, found in (
        ("contradicted", [str(each) for each in done.contradictions]),
        ("refused", done.refused),
        ("mapped to nothing", done.unfound),
        ("problems", done.problems),
    ):
        if found:
            lines.append(f"  {title:13}  {len(found):,}:")
            lines += [f"    {each}" for each in found[:SHOWN]]
            lines += [f"    ... and {len(found) - SHOWN:,} more (--json has all)"] if len(found) > SHOWN else []
    return "\n".join(lines)
