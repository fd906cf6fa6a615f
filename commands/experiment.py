"""``experiment``: control against test, decided with as few sessions as honesty allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, Settings, Spending
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.experiment import Experiment
    from core.optimization import Plan
    from core.workspace import Workspace
    from experiments.config import ExperimentConfig
    from experiments.sequential import Request
    from tasks.open_run import RunOptions

EXAMPLE = (
    "python cli.py experiment --control configs/experiments/baseline.json "
    "--test configs/experiments/exp_042.json --method sprt"
)


def command(
    spending: Spending,
    settings: Settings,
    place: Place,
    control: Annotated[str | None, typer.Option(help="Configuration of what is in use: a file or its name.")] = None,
    test: Annotated[str | None, typer.Option(help="Configuration of what may be better.")] = None,
    method: Annotated[str, typer.Option(help="sprt, fixed or eprocess.")] = "sprt",
    replay: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Take recorded sessions: JSON, JSONL, or the word store."),
    ] = None,
    control_where: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="With --replay: the control arm's sessions.")
    ] = None,
    test_where: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="With --replay: the test arm's sessions.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Pairs at a time.")] = 4,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only forecast, by a few first pairs, which are kept.")
    ] = False,
) -> Outcome:
    """Is the test configuration better? Sessions in pairs until that is shown or refuted; the decision is recorded."""
    from rich.console import Console

    from reports.progress import LiveProgress

    where = place.find()
    sets = settings.overrides()
    if replay is not None:
        request = replayed(where, replay, (control_where or [], test_where or []), method, sets)
    else:
        request = requested(where, control, test, method, sets, threads)
    with LiveProgress(Console(stderr=True), request.test.experiment_id) as progress:
        options = spending.options(progress)
        return _outcome(where, request, options, dry_run=dry_run, spending=spending)


def requested(
    where: Workspace, control: str | None, test: str | None, method: str, sets: list[str], threads: int
) -> Request:
    """Both configurations; what is set holds for both arms.

    Raises:
        UsageError: If one of them is not named.
    """
    from core.errors import UsageError
    from experiments.config import load_experiment
    from experiments.sequential import Request

    if control is None or test is None:
        raise UsageError("an experiment has two arms: --control FILE and --test FILE", hint=f"Example: {EXAMPLE}")
    arms = [load_experiment(name, root=where.root, sets=sets) for name in (control, test)]
    return Request(arms[0], arms[1], method, threads=threads)


def replayed(
    where: Workspace, source: str, words: tuple[list[str], list[str]], method: str, sets: list[str]
) -> Request:
    """Two arms of recorded sessions.

    Raises:
        UsageError, DataError: If an arm has no sessions, or the file is none of sessions.
    """
    from pathlib import Path

    from core.plain import digest
    from experiments.replay import STORE, parse_where, read_arm, read_records, side_by_side, stored_arm
    from experiments.sequential import Request
    from sessions.store import open_sessions

    flags = ("--control-where", "--test-where")
    asked = tuple(zip(words, flags, strict=True))
    if source == STORE:
        with open_sessions(where) as store:
            arms = [stored_arm(store, given, flag) for given, flag in asked]
        told = f"{STORE} {digest([arm.digest for arm in arms])}"
    else:
        records = read_records(Path(source))
        arms = [read_arm(records, parse_where(given, flag), flag) for given, flag in asked]
        told = f"{Path(source).name} {digest(records)}"
    named = _replay_configs(sets, [arm.name for arm in arms])
    return Request(named[0], named[1], method, side_by_side(arms[0], arms[1]), told, threads=1)


def _replay_configs(sets: list[str], names: list[str]) -> list[ExperimentConfig]:
    """What a replay has instead of configuration files: its design, and names that say what was compared."""
    from core.plain import digest
    from experiments.config import config_of

    return [config_of({"experiment_id": f"replay-{digest(name)[:8]}", "description": name}, sets) for name in names]


def _outcome(where: Workspace, request: Request, options: RunOptions, *, dry_run: bool, spending: Spending) -> Outcome:
    from core.errors import UsageError
    from core.experiment import Experiment
    from core.files import write_text
    from experiments.sequential import run_experiment
    from reports import experiment_report, render_html
    from reports.progress import plan_lines

    caps = {key: value for key, value in spending.keys().items() if value is not None}
    if caps and request.replay:
        raise UsageError(f"a replay spends nothing; received {', '.join(caps)}")
    done = run_experiment(where, request, options, dry_run=dry_run, caps=caps)
    if not isinstance(done, Experiment):
        lines = plan_lines(request.test.experiment_id, request.method, done)
        return Outcome(plan_body(request, done), "\n".join(lines))
    page = experiment_report(done)
    path = where.mlruns / "reports" / f"{done.run_id}.html"
    write_text(path, render_html(page))
    return Outcome({**body(done), "report": str(path)}, f"\nreport  {path}", page)


def body(done: Experiment) -> dict[str, Any]:
    """An experiment for programs."""
    import json

    from core.plain import to_json

    return json.loads(to_json(done))


def plan_body(request: Request, plan: Plan) -> dict[str, Any]:
    """A forecast for programs."""
    cost = plan.cost_usd
    return {
        "experiment": request.test.experiment_id,
        "dry_run": True,
        "method": request.method,
        "pairs": plan.trials,
        "sessions": 2 * plan.trials,
        "cost_usd": cost.expected if cost else None,
        "cost_low": cost.low if cost else None,
        "cost_high": cost.high if cost else None,
        "minutes": plan.minutes.expected,
    }
