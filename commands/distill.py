"""``distill``: from a teacher's verdicts to a cheap prompt that gives them too, or to a reasoned no."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.flags import Place, Settings, Starting, Strict, listed
from commands.outcome import Outcome

if TYPE_CHECKING:
    from core.workspace import Workspace
    from tasks.distill_task import DistillSpec
    from tasks.task import Task

EXAMPLE = "python cli.py distill --gold corpora/service_desk.gold.jsonl --set optimizer.minibatch=90"


def command(
    gold: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Rows of {id, input, label, split?}; --teacher writes them.", show_default=False
        ),
    ],
    spending: Starting,
    settings: Settings,
    place: Place,
    threads: Annotated[int | None, typer.Option(min=1, help="Calls in flight.")] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="PROMPT.txt", help="The student's prompt to start from.")
    ] = None,
    model: Annotated[str, typer.Option(help="The student.")] = "offline/small",
    optimizer_model: Annotated[
        str | None, typer.Option(help="Writes better prompts; offline/large for an offline student, else the student.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="A metric of your own that says how far two labels agree."),
    ] = None,
    min_rows: Annotated[
        int | None, typer.Option(min=1, help="Holdout rows below which the gate proves nothing.")
    ] = None,
    generations: Annotated[int, typer.Option(min=1, help="Generations x population set the budget.")] = 3,
    population: Annotated[int, typer.Option(min=1, help="Proposals per generation.")] = 4,
    reps: Annotated[int, typer.Option(min=1, help="Times that each holdout row is run, per prompt.")] = 1,
    categorical: Annotated[str | None, typer.Option(metavar="A,B", help="Fields that must be equal.")] = None,
    array: Annotated[str | None, typer.Option(metavar="C,D", help="Fields compared as sets.")] = None,
    optimizer: Annotated[str, typer.Option(help="gepa, mipro, bootstrap ...; several with commas.")] = "gepa",
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
    force: Annotated[bool, typer.Option("--force", help="Overwrite a task file that was edited by hand.")] = False,
    strict: Strict = False,
) -> Outcome:
    """Tune a cheap student towards a teacher's verdicts, and prove on unseen rows that it follows them."""
    from rich.console import Console

    from commands.distilling import Teaching, place_of, prompt_in, taught
    from commands.job import job_outcome, run_job
    from core.errors import UsageError
    from reports.progress import LiveProgress
    from tasks.distill_task import DistillSpec

    if (teacher is None) != (inputs is None):
        raise UsageError(
            "--teacher and --inputs go together", hint="--teacher TASK --inputs rows.jsonl --gold out.jsonl"
        )
    spec = DistillSpec(
        model=model, optimizer_model=optimizer_model, generations=generations, population=population, reps=reps,
        categorical=listed(categorical), array=listed(array), optimizer=optimizer, delta=delta,
        test_every_nth=test_every_nth, gate=gate, seed=seed, transfer=listed(transfer),
        baseline=prompt_in(Path(baseline) if baseline else None), metric=metric,
    )  # fmt: skip
    workspace = place.find()
    where = place_of(workspace, Path(run_dir) if run_dir else None)
    shown = Place(str(where.root)) if run_dir else place
    flags: dict[str, Any] = {**spending.keys(), "run.threads": threads, "gate.min_rows": min_rows}
    check_names(where, spec)
    with LiveProgress(Console(stderr=True), Path(gold).stem) as progress:
        options = spending.options(progress)
        if teacher and inputs:
            flags = taught(
                workspace, where, Teaching(teacher, Path(inputs), teacher_timeout), Path(gold), flags, options
            )
        task = distilling_task(where, Path(gold), spec, settings.overrides(flags), force=force)
        done = run_job(where, task, options, shown.quoted)
    return job_outcome(done, shown, strict=strict)


def check_names(where: Workspace, spec: DistillSpec) -> None:
    """Refuse a name that is in no catalog, before a teacher is asked."""
    from dotenv import load_dotenv

    from calls.models import find_model, load_models
    from gates.catalog import GATES
    from optimizers import OPTIMIZERS

    for name in listed(spec.optimizer):
        OPTIMIZERS.get(name)
    if spec.gate is not None:
        GATES.get(spec.gate)
    load_dotenv(where.root / ".env", override=False)  # it may name the server that has the models
    models = load_models(where.models)
    for model in (spec.model, spec.reflector, *spec.transfer):
        find_model(model, models)


def distilling_task(
    where: Workspace, gold: Path, spec: DistillSpec, overrides: Sequence[str], *, force: bool = False
) -> Task:
    """Write the task file that the gold makes, and open the task.

    Without a baseline of its own, a distillation that has a champion already has to beat that one.
    """
    import contextlib

    from commands.distilling import say
    from commands.job import starting_prompts
    from tasks.distill_task import budget_text, distillation_config, load_gold_scenarios, save_task
    from tasks.open_run import open_store, open_task, redactor
    from tasks.scaffold import relative_to

    config = distillation_config(load_gold_scenarios(gold), spec, gold=gold, corpus_path=relative_to(gold, where.root))
    path, written = save_task(config, gold, where.root, force=force)
    task = open_task(where, config.task, overrides)
    info = task.splits.info
    say(f"{'wrote' if written else 'unchanged:'} {path}")
    say(f"{info.train} train, {info.dev} dev, {info.holdout} holdout rows")
    say(f"budget: {budget_text(spec.generations, spec.population, info.train, info.dev)}")
    with contextlib.closing(open_store(where, redactor(where, task))) as store:
        return task.starting_from(*starting_prompts(where, store, task, "seed" if spec.baseline else None))
