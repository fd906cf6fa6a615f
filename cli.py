"""The door: parse flags, call one front door, finish. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from core.workspace import Workspace

VERSION = "0.1.0"
USAGE_EXIT = 64

app = typer.Typer(
    name="proven",
    help="Tune the prompts of an LLM pipeline stage, and prove on unseen rows that they are better.\n\n"
    "Start: [bold]python cli.py optimize extraction[/bold]   "
    "Your own data: [bold]python cli.py init NAME --from-gold rows.jsonl[/bold]",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class Finished(SystemExit):
    """The command is over and its exit code is meant."""


Task = Annotated[str, typer.Argument(help="A task name (see `tasks`) or the path of a task file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
WorkspaceDir = Annotated[
    str | None, typer.Option("--workspace", metavar="DIR", help="Folder with configs/, corpora/ and mlruns/.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, as in --set gate.margin=0.02; DROP deletes it."),
]
SPEND = "What it may spend"
MaxCost = Annotated[
    float | None, typer.Option(metavar="DOLLARS", help="End in order at this cost, all roles.", rich_help_panel=SPEND)
]
MaxCalls = Annotated[
    int | None, typer.Option(min=1, help="End in order after so many requests.", rich_help_panel=SPEND)
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="The same for tokens.", rich_help_panel=SPEND)]
MaxMinutes = Annotated[float | None, typer.Option(help="The same for minutes.", rich_help_panel=SPEND)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=SPEND)]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Do not use answers that other runs paid for.", rich_help_panel=SPEND)
]
Redact = Annotated[
    list[str] | None, typer.Option(metavar="REGEX", help="Mask this before anything is stored.", rich_help_panel=SPEND)
]


def finish(body: dict[str, Any], text: str | None, *, as_json: bool, code: int = 0) -> NoReturn:
    """Print the outcome, for a program or for a person, without secrets, and end with the code."""
    if as_json:
        print(_mask()(json.dumps(body, ensure_ascii=False, default=str)))
    elif text:
        print(_mask()(text))
    raise Finished(code)


def _workspace(folder: str | None) -> Workspace:
    from core.workspace import find_workspace

    return find_workspace(folder)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"proven {VERSION}")
        raise Finished(0)


@app.command(epilog="Example: python cli.py optimize extraction --optimizer mipro --budget medium --seed 1")
def optimize(
    task: Task,
    optimizer: Annotated[str | None, typer.Option(help="Name of the optimiser, such as gepa or mipro.")] = None,
    budget: Annotated[str | None, typer.Option(help="light, medium, heavy, or a number of program rollouts.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same result.")] = None,
    student: Annotated[str | None, typer.Option(help="Model that runs the program.")] = None,
    reflector: Annotated[str | None, typer.Option(help="Model that writes better prompts.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None,
    baseline: Annotated[str | None, typer.Option(help="seed or champion: what has to be beaten.")] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only forecast. Runs the pilot, whose answers are kept; --pilot 0 calls no model."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 0 on PROMOTE, 1 on HOLD, 2 on INCONCLUSIVE (for CI).")
    ] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_minutes: MaxMinutes = None,
    confirm_above: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", help="Ask first when the forecast may exceed this.", rich_help_panel=SPEND),
    ] = None,
    yes: Yes = False,
    pilot: Annotated[
        int | None, typer.Option(min=0, help="Dev rows that the forecast measures.", rich_help_panel=SPEND)
    ] = None,
    trust_judge: Annotated[
        bool, typer.Option("--trust-judge", help="Go on with a judge that is noisier than the lift sought; recorded.")
    ] = False,
    no_cache: NoCache = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start anew even if this very run was interrupted.", rich_help_panel=SPEND)
    ] = False,
    redact: Redact = None,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Search for a better prompt and prove it on rows that no optimiser has seen."""
    from commands.optimize import OutputOptions, run_optimize

    flags = {
        "optimizer.name": optimizer,
        "optimizer.budget": budget,
        "optimizer.seed": seed,
        "models.student": student,
        "models.reflector": reflector,
        "run.threads": threads,
        "run.max_cost": max_cost,
        "run.max_calls": max_calls,
        "run.max_tokens": max_tokens,
        "run.max_minutes": max_minutes,
        "run.confirm_above": confirm_above,
        "run.pilot": pilot,
        "run.cache": "false" if no_cache else None,
        "run.redact": json.dumps(redact) if redact else None,
        "judge.trusted": "true" if trust_judge else None,
    }
    run_optimize(
        _workspace(workspace),
        task,
        flags=flags,
        sets=sets or [],
        baseline=baseline,
        dry_run=dry_run,
        manner=OutputOptions(_typed(), as_json=as_json, strict=strict, yes=yes, new=new, workspace=_quoted(workspace)),
        finish=finish,
    )


@app.command(epilog="Example: python cli.py distill --gold corpora/skill_verdicts.gold.jsonl")
def distill(
    gold: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Rows of {id, input, label, split?}; --teacher writes them.", show_default=False
        ),
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="PROMPT.txt", help="The student's prompt to start from.")
    ] = None,
    model: Annotated[str, typer.Option(help="The student.")] = "offline/small",
    optimizer_model: Annotated[
        str | None, typer.Option(help="Writes better prompts; offline/large for an offline student, else the student.")
    ] = None,
    generations: Annotated[int, typer.Option(min=1, help="Generations x population set the budget.")] = 3,
    population: Annotated[int, typer.Option(min=1, help="Proposals per generation.")] = 4,
    reps: Annotated[int, typer.Option(min=1, help="Times that each holdout row is run, per prompt.")] = 1,
    categorical: Annotated[str | None, typer.Option(metavar="A,B", help="Fields that must be equal.")] = None,
    array: Annotated[str | None, typer.Option(metavar="C,D", help="Fields compared as sets.")] = None,
    optimizer: Annotated[str, typer.Option(help="Name of the optimiser, such as gepa or mipro.")] = "gepa",
    delta: Annotated[float, typer.Option(help="The lift that must be exceeded.")] = 0.0,
    test_every_nth: Annotated[int, typer.Option(help="Of untagged rows every N-th is for the test.")] = 4,
    gate: Annotated[str | None, typer.Option(help="heldout or production.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="TASK | 'cmd: ...'", help="Who gives the verdicts: a task, or a command (JSON in, JSON out)."
        ),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(metavar="FILE", help="Rows of {id, input} that the teacher is asked about.")
    ] = None,
    teacher_timeout: Annotated[float, typer.Option(help="Seconds that a command may take per row.")] = 120.0,
    transfer: Annotated[
        str | None, typer.Option(metavar="M1,M2", help="Try the winner's prompt on these models too.")
    ] = None,
    run_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the record and the task file; the workspace by default."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a task file that was edited by hand.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 0 on PROMOTE, 1 on HOLD, 2 on INCONCLUSIVE (for CI).")
    ] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_minutes: MaxMinutes = None,
    yes: Yes = False,
    no_cache: NoCache = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start anew even if this very run was interrupted.", rich_help_panel=SPEND)
    ] = False,
    redact: Redact = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Tune a cheap student towards a teacher's verdicts, and prove on unseen rows that it follows them."""
    from pathlib import Path

    from commands.distill import Distilling, Teaching, run_distill
    from commands.optimize import OutputOptions
    from core.errors import UsageError
    from tasks.distill_task import DistillSpec

    if (teacher is None) != (inputs is None):
        raise UsageError(
            "--teacher and --inputs go together", hint="--teacher TASK --inputs rows.jsonl --gold out.jsonl"
        )
    spec = DistillSpec(
        model=model, optimizer_model=optimizer_model, generations=generations, population=population, reps=reps,
        categorical=_listed(categorical), array=_listed(array), optimizer=optimizer, delta=delta,
        test_every_nth=test_every_nth, gate=gate, seed=seed, transfer=_listed(transfer),
    )  # fmt: skip
    flags = {
        "run.threads": threads,
        "run.max_cost": max_cost,
        "run.max_calls": max_calls,
        "run.max_tokens": max_tokens,
        "run.max_minutes": max_minutes,
        "run.cache": "false" if no_cache else None,
        "run.redact": json.dumps(redact) if redact else None,
    }
    wanted = Distilling(
        gold=Path(gold),
        spec=spec,
        baseline=Path(baseline) if baseline else None,
        run_dir=Path(run_dir) if run_dir else None,
        teaching=Teaching(teacher, Path(inputs), teacher_timeout) if teacher and inputs else None,
        force=force,
        flags=flags,
    )
    manner = OutputOptions(_typed(), as_json=as_json, strict=strict, yes=yes, new=new, workspace=workspace)
    run_distill(_workspace(workspace), wanted, manner, finish)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _quoted(folder: str | None) -> str | None:
    return shlex.quote(folder) if folder else None


def _typed() -> str:
    return " ".join(["python cli.py", *sys.argv[1:]])


@app.command(epilog="Example: python cli.py runs extraction")
def runs(
    task: Annotated[str | None, typer.Argument(help="Only runs of this task.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """List runs with their state, verdict and what they have paid."""
    from commands.runs import run_runs

    run_runs(_workspace(workspace), task, limit=limit, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py resume extraction-20260102 --max-cost 5")
def resume(
    run: Annotated[str, typer.Argument(help="Run id or its beginning (see `runs`).", show_default=False)],
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_minutes: MaxMinutes = None,
    yes: Yes = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 0 on PROMOTE, 1 on HOLD, 2 on INCONCLUSIVE.")] = False,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Continue a run that was interrupted, stopped or ran out of budget; nothing is paid twice."""
    from commands.optimize import OutputOptions, run_resume

    caps = {"max_cost": max_cost, "max_calls": max_calls, "max_tokens": max_tokens, "max_minutes": max_minutes}
    run_resume(
        _workspace(workspace),
        run,
        flags={**caps, "threads": threads},
        manner=OutputOptions(_typed(), as_json=as_json, strict=strict, yes=yes, workspace=_quoted(workspace)),
        finish=finish,
    )


@app.command(epilog="Example: python cli.py stop extraction-20260102")
def stop(
    run: Annotated[str, typer.Argument(help="Run id or its beginning (see `runs`).", show_default=False)],
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running run to end in order; it can be continued later."""
    from commands.runs import run_stop

    run_stop(_workspace(workspace), run, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py report condensation --format markdown --out -")
def report(
    target: Annotated[
        str,
        typer.Argument(help="A run id or its beginning (see `runs`), or a task for its matrix.", show_default=False),
    ],
    form: Annotated[str, typer.Option("--format", help="html or markdown.")] = "html",
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="File to write, - for stdout; mlruns/reports/ when omitted.")
    ] = None,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a report again, as a page or as Markdown, or compare the judged outputs of a matrix; calls no model."""
    from commands.matrix import is_task, run_step
    from commands.optimize import OutputOptions
    from commands.report import run_report

    where = _workspace(workspace)
    if is_task(where, target) and form == "html" and out is None:
        manner = OutputOptions(_typed(), as_json=as_json)
        run_step(where, target, "report", flags={}, sets=sets or [], manner=manner, finish=finish)
    run_report(where, target, form=form, out=out, as_json=as_json, finish=finish, named=_quoted(workspace))


def _step(
    step: str,
    task: str,
    flags: dict[str, Any],
    sets: list[str] | None,
    workspace: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    from commands.matrix import run_step
    from commands.optimize import OutputOptions

    manner = OutputOptions(_typed(), as_json=as_json, yes=yes)
    run_step(_workspace(workspace), task, step, flags=flags, sets=sets or [], manner=manner, finish=finish)


@app.command(epilog="Example: python cli.py prepare condensation")
def prepare(
    task: Task, max_cost: MaxCost = None, max_calls: MaxCalls = None, yes: Yes = False, sets: Sets = None,
    workspace: WorkspaceDir = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Matrix, step 1: choose rows, and have missing references written."""
    _step("prepare", task, _caps(max_cost, max_calls), sets, workspace, yes=yes, as_json=as_json)


@app.command(epilog="Example: python cli.py run condensation")
def run(
    task: Task, max_cost: MaxCost = None, max_calls: MaxCalls = None, yes: Yes = False, sets: Sets = None,
    workspace: WorkspaceDir = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Matrix, step 2: every prompt on every model answers every row; all outputs are stored."""
    _step("run", task, _caps(max_cost, max_calls), sets, workspace, yes=yes, as_json=as_json)


@app.command(epilog="Example: python cli.py judge condensation")
def judge(
    task: Task, max_cost: MaxCost = None, max_calls: MaxCalls = None, yes: Yes = False, sets: Sets = None,
    workspace: WorkspaceDir = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Matrix, step 3: judge every stored output against its reference."""
    _step("judge", task, _caps(max_cost, max_calls), sets, workspace, yes=yes, as_json=as_json)


def _caps(max_cost: float | None, max_calls: int | None) -> dict[str, Any]:
    return {"run.max_cost": max_cost, "run.max_calls": max_calls}


@app.command(epilog="Example: python cli.py matrix condensation --race")
def matrix(
    task: Task,
    racing: Annotated[
        bool, typer.Option("--race", help="Stop spending on cells that another cell clearly dominates.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost.")] = False,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_minutes: MaxMinutes = None,
    yes: Yes = False,
    no_cache: NoCache = False,
    redact: Redact = None,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Would a tighter prompt or a lighter model do as well? Prompts x models, judged, compared, reported."""
    from commands.matrix import run_matrix
    from commands.optimize import OutputOptions

    flags = {
        **_caps(max_cost, max_calls),
        "run.max_tokens": max_tokens,
        "run.max_minutes": max_minutes,
        "run.cache": "false" if no_cache else None,
        "run.redact": json.dumps(redact) if redact else None,
    }
    run_matrix(
        _workspace(workspace), task, racing=racing, dry_run=dry_run, flags=flags, sets=sets or [],
        manner=OutputOptions(_typed(), as_json=as_json, yes=yes), finish=finish,
    )  # fmt: skip


@app.command("judge-card", epilog="Example: python cli.py judge-card condensation --scores rated.jsonl")
def judge_card(
    task: Task,
    scores: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rated outputs: JSONL of {input, reference, output, score in 0 to 1}."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Most outputs to examine the judge on.")] = 24,
    repeats: Annotated[int, typer.Option(min=1, max=10, help="Times that each question is really asked.")] = 2,
    planned: Annotated[int | None, typer.Option(min=2, help="Rows of the comparison that the judge is for.")] = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    yes: Yes = False,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """How far can the judge be trusted: agreement, order effect, noise, and the smallest lift it can resolve."""
    from commands.judge_card import run_judge_card
    from commands.optimize import OutputOptions

    run_judge_card(
        _workspace(workspace), task, scores=scores, rows=rows, repeats=repeats, planned=planned,
        flags=_caps(max_cost, max_calls), sets=sets or [], manner=OutputOptions(_typed(), as_json=as_json, yes=yes),
        finish=finish,
    )  # fmt: skip


@app.command(epilog="Example: python cli.py verify extraction-20260102")
def verify(
    run: Annotated[str, typer.Argument(help="Run id or its beginning (see `runs`).", show_default=False)],
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Recompute a run's hashes, means, lift, interval and verdict from its stored rows; exit 1 on any difference."""
    from commands.verify import run_verify

    run_verify(_workspace(workspace), run, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py doctor haiku")
def doctor(
    model: Annotated[
        str | None, typer.Argument(help="An alias or provider/model; all with a key when omitted.")
    ] = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Check a model's key, reachability, structured output and latency with one tiny call."""
    from commands.doctor import run_doctor

    run_doctor(_workspace(workspace), model, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py init triage --from-gold triage.jsonl && python cli.py optimize triage")
def init(
    name: Annotated[str, typer.Argument(help="Task name; without --from-gold, a folder for a workspace of your own.")],
    from_gold: Annotated[
        str | None,
        typer.Option("--from-gold", metavar="FILE", help="JSONL or CSV rows of {input, label, id?, split?}."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing task file.")] = False,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Start with your own data: write a task file that runs at once."""
    from commands.tasks import run_init

    run_init(name, from_gold, force=force, workspace=workspace, as_json=as_json, finish=finish)


@app.command(
    name="import", epilog="Example: python cli.py import sessions/ --out corpora/sessions.jsonl --min-user-messages 5"
)
def import_(
    source: Annotated[
        str, typer.Argument(help="File, folder or quoted glob pattern with transcripts.", show_default=False)
    ],
    out: Annotated[
        str, typer.Option(metavar="FILE.jsonl", help="Corpus to write, relative to the workspace.", show_default=False)
    ],
    form: Annotated[
        str, typer.Option("--format", help="auto, claude-code, codex, openai, mlflow, rows or text.")
    ] = "auto",
    count: Annotated[int | None, typer.Option(min=1, help="How many to take; all of them when omitted.")] = None,
    min_user_messages: Annotated[
        int, typer.Option("--min-user-messages", min=0, help="Leave out those with fewer messages of a person.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Which ones --count takes; the same seed takes the same.")] = 0,
    tool_chars: Annotated[int, typer.Option(min=0, help="Characters kept of each tool call and output.")] = 2000,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Leave out lines that cannot be read, and say so.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing corpus.")] = False,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Turn transcripts of coding agents, chats, traces or notes into rows of a corpus."""
    from commands.corpus import Choice, run_import

    run_import(
        _workspace(workspace),
        source,
        out,
        Choice(form, count, min_user_messages, seed, tool_chars, lenient=lenient, force=force),
        as_json=as_json,
        finish=finish,
    )


@app.command(epilog="Example: python cli.py ui --port 5001")
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the leaderboard in a browser.")] = False,
    workspace: WorkspaceDir = None,
) -> None:
    """Open MLflow on the local store, with a leaderboard of runs."""
    from commands.tracking import run_ui

    run_ui(_workspace(workspace), port=port, open_browser=open_browser)


@app.command(epilog="Example: python cli.py export extraction --format messages --out prompt.json")
def export(
    task: Task,
    form: Annotated[str, typer.Option("--format", help="text, messages, dspy, yaml or python.")] = "text",
    out: Annotated[str | None, typer.Option(help="File to write; stdout when omitted.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="FILE.py:CONSTANT", help="With --format python: the constant to replace.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="Run id or its beginning; the latest promoted one by default.")
    ] = None,
    predictor: Annotated[str | None, typer.Option(help="One predictor of a program with several.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Export without an accepting verdict; this is recorded.")
    ] = False,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a tuned prompt where production can use it."""
    from commands.prompts import run_export

    run_export(
        _workspace(workspace), task, form=form, out=out, target=target, run=run, predictor=predictor, force=force,
        as_json=as_json, finish=finish,
    )  # fmt: skip


@app.command(epilog="Example: python cli.py promote extraction")
def promote(
    task: Task,
    run: Annotated[str | None, typer.Option(help="Run id; the latest promoted one by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote without an accepting verdict; recorded.")] = False,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a run's prompt the champion of its task."""
    from commands.prompts import run_promote

    run_promote(_workspace(workspace), task, run=run, force=force, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py rollback extraction")
def rollback(task: Task, workspace: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """Return to the champion before this one."""
    from commands.prompts import run_rollback

    run_rollback(_workspace(workspace), task, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py diff extraction seed champion")
def diff(
    task: Task,
    before: Annotated[str, typer.Argument(help="seed, champion, or a run id.")] = "seed",
    after: Annotated[str | None, typer.Argument(help="The same; the latest run by default.")] = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two prompts."""
    from commands.prompts import run_diff

    run_diff(_workspace(workspace), task, before, after, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py history extraction")
def history(task: Task, workspace: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """List the champions of a task and its latest runs."""
    from commands.prompts import run_history

    run_history(_workspace(workspace), task, as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py tasks")
def tasks(workspace: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """List the tasks of the workspace."""
    from commands.tasks import run_tasks

    run_tasks(_workspace(workspace), as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py validate extraction")
def validate(
    task: Annotated[str | None, typer.Argument(help="One task; all of them when omitted.")] = None,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Check task files, corpora and splits; report every mistake with file and line."""
    from commands.tasks import run_validate

    run_validate(_workspace(workspace), task, sets or [], as_json=as_json, finish=finish)


@app.command(epilog="Example: python cli.py show extraction")
def show(task: Task, sets: Sets = None, workspace: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """Show a task: its data, splits, models, metric and prompts."""
    from commands.tasks import run_show

    run_show(_workspace(workspace), task, sets or [], as_json=as_json, finish=finish)


@app.command(name="eval", epilog="Example: python cli.py eval extraction --prompts champion --split dev")
def evaluate(
    task: Task,
    prompts: Annotated[str, typer.Option(help="seed, champion, or a run id.")] = "seed",
    split: Annotated[str, typer.Option(help="train, dev or holdout.")] = "dev",
    student: Annotated[str | None, typer.Option(help="Model that runs the program.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None,
    open_holdout: Annotated[
        bool, typer.Option("--open-holdout", help="Allow split holdout; counted as an opening.")
    ] = False,
    repeat: Annotated[int, typer.Option(min=1, help="Really run each row so many times; scores are averaged.")] = 1,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    no_cache: NoCache = False,
    redact: Redact = None,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Score one prompt on one split."""
    from commands.optimize import run_eval

    flags = {
        "models.student": student,
        "run.threads": threads,
        "run.max_cost": max_cost,
        "run.max_calls": max_calls,
        "run.cache": "false" if no_cache else None,
        "run.redact": json.dumps(redact) if redact else None,
    }
    run_eval(
        _workspace(workspace), task, prompts=prompts, split=split, flags=flags, sets=sets or [],
        open_holdout=open_holdout, repeat=repeat, as_json=as_json, finish=finish,
    )  # fmt: skip


@app.command(epilog="Example: python cli.py gate champion extraction-20260102 --task extraction --gate production")
def gate(
    champion: Annotated[str, typer.Argument(help="What is in use: seed, champion, or a run id.", show_default=False)],
    challenger: Annotated[str, typer.Argument(help="What may replace it: the same.", show_default=False)],
    task: Annotated[str, typer.Option("--task", metavar="TASK", help="A task name or the path of a task file.")],
    name: Annotated[
        str | None, typer.Option("--gate", metavar="NAME", help="heldout or production; the task's own by default.")
    ] = None,
    student: Annotated[str | None, typer.Option(help="Model that runs the program.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 0 on PROMOTE, 1 on HOLD, 2 on INCONCLUSIVE (for CI).")
    ] = False,
    junit: Annotated[
        str | None, typer.Option("--junit", metavar="FILE", help="Write every check as a JUnit test case.")
    ] = None,
    max_cost: MaxCost = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_minutes: MaxMinutes = None,
    no_cache: NoCache = False,
    redact: Redact = None,
    sets: Sets = None,
    workspace: WorkspaceDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a gate decide whether one stored prompt may replace another; counts as an opening of the holdout."""
    from commands.gate import run_gate

    flags = {
        "gate.name": name,
        "models.student": student,
        "run.threads": threads,
        "run.max_cost": max_cost,
        "run.max_calls": max_calls,
        "run.max_tokens": max_tokens,
        "run.max_minutes": max_minutes,
        "run.cache": "false" if no_cache else None,
        "run.redact": json.dumps(redact) if redact else None,
    }
    run_gate(
        _workspace(workspace), champion, challenger, task=task, flags=flags, sets=sets or [], strict=strict,
        junit_file=junit, as_json=as_json, finish=finish,
    )  # fmt: skip


@app.command(epilog="Example: python cli.py sync")
def sync(workspace: WorkspaceDir = None, as_json: AsJson = False) -> None:
    """Replay into MLflow whatever it has missed."""
    from commands.tracking import run_sync

    run_sync(_workspace(workspace), as_json=as_json, finish=finish)


def _mask() -> Callable[[str], str]:
    """What takes secrets out of an error text: those of the environment and of the workspace's ``.env``."""
    from core.errors import ProvenError
    from core.redact import from_environment
    from core.workspace import HOME, find_workspace

    named = [after for word, after in pairwise(sys.argv) if word == "--workspace"]
    try:
        root = find_workspace(named[0] if named else None).root
    except ProvenError:
        root = HOME
    return from_environment(root).text


def _fail(error: Any, *, as_json: bool) -> NoReturn:
    mask = _mask()
    if as_json:
        print(mask(json.dumps({"error": type(error).__name__, "message": error.message, "hint": error.hint})))
    print(mask(f"error: {error}"), file=sys.stderr)
    raise Finished(error.exit_code)


PANELS = {
    "Improve": ("optimize", "distill", "gate", "eval"),
    "Compare": ("matrix", "prepare", "run", "judge", "judge-card"),
    "Runs and reports": ("runs", "resume", "stop", "report", "verify", "ui", "sync"),
    "Prompts in production": ("export", "promote", "rollback", "diff", "history"),
    "Tasks, data and models": ("init", "import", "tasks", "validate", "show", "doctor"),
}


def _sort_into_panels() -> None:
    """Give every command its place in the help, in the order of the panels."""
    order = [(name, panel) for panel, names in PANELS.items() for name in names]
    places = {name: place for place, (name, _) in enumerate(order)}
    named = [(info.name or getattr(info.callback, "__name__", ""), info) for info in app.registered_commands]
    for name, info in named:
        info.rich_help_panel = order[places[name]][1]
    app.registered_commands[:] = [info for _, info in sorted(named, key=lambda item: places[item[0]])]


_sort_into_panels()


def main() -> None:
    """Run the command line; every expected failure ends with a message and its own exit code, never a traceback."""
    as_json = "--json" in sys.argv
    try:
        app()
    except Finished:
        raise
    except SystemExit as stop:
        raise SystemExit(USAGE_EXIT if stop.code == 2 else stop.code) from None
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except Exception as error:
        from core.errors import ProvenError

        if isinstance(error, ProvenError):
            _fail(error, as_json=as_json)
        raise


if __name__ == "__main__":
    main()
