"""The door for people who write Python: one call each, recorded as from the command line. See docs/library.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

if TYPE_CHECKING:
    from core.cells import Matrix
    from core.evaluation import Evaluation
    from core.experiment import Experiment
    from core.optimization import Optimization
    from core.verdict import Verdict
    from core.workspace import Workspace
    from optimizers.distill import Distilled
    from sessions.selection import Selection
    from tasks.distill_task import Comparator, DistillSpec
    from tasks.open_metric import OpenMetric
    from tasks.open_run import RunOptions
    from tasks.task import Task

__all__ = [
    "DistillSpec",
    "Settings",
    "distill",
    "evaluate",
    "experiment",
    "export",
    "gate",
    "load_task",
    "matrix",
    "metric",
    "optimize",
    "sessions",
]


class Settings(TypedDict, total=False):
    """What every call takes beside its own arguments; the words of the command line.

    Attributes:
        workspace: Folder with configs/, corpora/ and mlruns/; found as the command line finds it when left out.
        sets: Overrides of the task file, as in ``["gate.margin=0.02"]``.
        threads: Calls in flight.
        max_cost: US dollars at which the run ends in order, all roles together.
        max_calls: The same for requests.
        max_minutes: The same for minutes.
        yes: Whether a forecast above ``run.confirm_above`` is accepted unasked.
        new: Whether an interrupted run that does the same is left alone instead of continued.
        progress: Whether the live display is shown on stderr.
    """

    workspace: str | Path
    sets: Sequence[str]
    threads: int
    max_cost: float
    max_calls: int
    max_minutes: float
    yes: bool
    new: bool
    progress: bool


def load_task(name: str, *, workspace: str | Path | None = None, sets: Sequence[str] = ()) -> Task:
    """Load and assemble a task: its rows and splits, program, metric and models.

    Args:
        name: A task's name, or the path of a task file.
        workspace: Folder with configs/, corpora/ and mlruns/.
        sets: Overrides of the task file.

    Raises:
        ConfigError: With every mistake in the task file.
        DataError: If the rows cannot be used.
    """
    from tasks.open_run import open_task

    return open_task(_place(workspace), name, sets)


def optimize(
    task: str | Task,
    *,
    optimizer: str | None = None,
    budget: str | int | None = None,
    seed: int | None = None,
    student: str | None = None,
    baseline: str | None = None,
    **settings: Unpack[Settings],
) -> Optimization:
    """Search for a better prompt, prove it on unseen rows, write the report; ``python cli.py optimize`` as a call.

    Args:
        task: A task's name, or a loaded one.
        optimizer: Strategy: gepa, mipro, bootstrap, simba, metaprompt.
        budget: light, medium, heavy, or a number of program rollouts.
        seed: The same seed gives the same result.
        student: Model that runs the program.
        baseline: What has to be beaten.
        **settings: See :class:`Settings`.

    Raises:
        ConfigError, DataError, UsageError: If the task or a setting cannot be used; nothing was spent then.
        ModelError: If a model is unreachable, refuses the key or keeps failing.
        BudgetError: If the budget ended before there was anything to report.
    """
    from commands.job import run_job
    from commands.optimize import prepared

    keys = {
        "optimizer.name": optimizer,
        "optimizer.budget": budget,
        "optimizer.seed": seed,
        "models.student": student,
    }
    with _at_work("optimize", task, settings, keys) as (where, found, options):
        done = run_job(where, prepared(where, found, baseline), options)
        done.told()
        return done.result


def evaluate(
    task: str | Task,
    *,
    prompts: str = "seed",
    split: str = "dev",
    repeat: int = 1,
    open_holdout: bool = False,
    **settings: Unpack[Settings],
) -> Evaluation:
    """Score stored prompts on a split: ``seed``, ``champion``, or the winner of a run.

    Raises:
        UsageError: If there are no such prompts, or the holdout is asked for without ``open_holdout``; an opening is
            counted by the gate.
    """
    from commands.eval import check_split, evaluated

    check_split(split, open_holdout=open_holdout)
    with _at_work("evaluate", task, settings) as (where, found, options):
        return evaluated(where, found, prompts, split, options, repeat=repeat)[1]


def gate(
    task: str | Task, champion: str, challenger: str, *, name: str | None = None, **settings: Unpack[Settings]
) -> Verdict:
    """Ask a gate whether one stored prompt may replace another; counts as an opening of the holdout.

    Args:
        task: A task's name, or a loaded one.
        champion: What is in use: ``seed``, ``champion``, or a run id.
        challenger: What may replace it: the same.
        name: heldout or production; the task's own gate by default.
        **settings: See :class:`Settings`.
    """
    from commands.gate import judged

    with _at_work("gate", task, settings, {"gate.name": name}) as (where, found, options):
        return judged(where, found, champion, challenger, options)[1]


def distill(
    gold: str | Path,
    *,
    spec: DistillSpec | None = None,
    comparator: Comparator | None = None,
    force: bool = False,
    **settings: Unpack[Settings],
) -> Distilled:
    """Tune a cheap student towards a teacher's verdicts, and prove on unseen rows that it follows them.

    Args:
        gold: Rows of ``{id, input, label, split?}``.
        spec: Student, budget, fields and the rest, as the command's flags say them.
        comparator: (gold label, produced label) -> agreement in [0, 1], instead of agreement field by field. A run
            with one is never continued, because nobody can tell whether a function is still the same.
        force: Whether a task file that was edited by hand is overwritten.
        **settings: See :class:`Settings`.

    Raises:
        ConfigError, DataError, UsageError: If the gold or a setting cannot be used.
    """
    from dataclasses import replace

    from commands.distill import check_names, distilling_task
    from commands.job import run_job
    from optimizers.distill import compared_by, distilled
    from tasks.distill_task import DistillSpec

    spec, path, where = spec or DistillSpec(), Path(gold), _place(settings.get("workspace"))
    check_names(where, spec)
    found = distilling_task(where, path, spec, _overrides(settings, {}), force=force)
    with _watched("distill", found, settings) as options:
        if comparator is not None:
            found, options = compared_by(found, comparator), replace(options, new=True)
        done = run_job(where, found, options)
        done.told()
    assert done.study is not None
    return distilled(done.result, done.study)


def matrix(task: str | Task, *, race: bool = False, **settings: Unpack[Settings]) -> Matrix:
    """Answer, judge and compare prompts x models; ``race`` stops cells that another one clearly dominates."""
    from commands.matrix import filled

    with _at_work("matrix", task, settings) as (where, found, options):
        return filled(where, found, options, racing=race).matrix


def experiment(
    control: str | Path, test: str | Path, *, method: str = "sprt", **settings: Unpack[Settings]
) -> Experiment:
    """Decide between two configurations in pairs of sessions; ``python cli.py experiment`` as a call.

    The same call continues an interrupted experiment, and gives the recorded decision of one that is decided.

    Args:
        control: Configuration of what is in use: a file, or a name in ``configs/experiments``.
        test: Configuration of what may be better.
        method: sprt, fixed or eprocess.
        **settings: See :class:`Settings`; ``sets`` override both configurations, ``threads`` are pairs at a time.

    Raises:
        ConfigError: If a configuration is wrong.
        UsageError: If another test has seen sessions of these two configurations.
        ModelError, BudgetError: As everywhere; the same call goes on.
    """
    from core.experiment import Experiment
    from experiments.config import load_experiment
    from experiments.sequential import Request, run_experiment
    from tasks.open_run import RunOptions

    where, sets = _place(settings.get("workspace")), list(settings.get("sets", ()))
    arms = [load_experiment(name, root=where.root, sets=sets) for name in (control, test)]
    options = RunOptions(f"proven.experiment({arms[1].experiment_id!r})", settings.get("yes", False))
    limits = {f"run.{key}": settings.get(key) for key in ("max_cost", "max_calls", "max_minutes")}
    caps = {key: value for key, value in limits.items() if value is not None}
    done = run_experiment(
        where, Request(arms[0], arms[1], method, threads=settings.get("threads", 4)), options, caps=caps
    )
    assert isinstance(done, Experiment)
    return done


def sessions(*, workspace: str | Path | None = None, store: str | None = None) -> Selection:
    """The recorded sessions of a workspace, to choose from, measure, mine and add to.

    Args:
        workspace: Folder with configs/, corpora/ and mlruns/.
        store: URL of another database, postgresql://... or sqlite:///...; else ``STORAGE__DATABASE_URL``.

    Raises:
        StoreError: If the store cannot be opened.
    """
    from core.redact import from_environment
    from sessions.selection import Selection
    from sessions.store import open_sessions

    where = _place(workspace)
    return Selection(open_sessions(where, store, from_environment(where.root)))


def export(
    task: str | Task,
    *,
    format: str = "text",
    run: str | None = None,
    predictor: str | None = None,
    force: bool = False,
    workspace: str | Path | None = None,
) -> str:
    """A tuned prompt as ``python cli.py export`` writes it, byte for byte; the export is recorded with its run.

    Args:
        task: A task's name, or a loaded one.
        format: text, messages, dspy, yaml or python.
        run: Run id or its beginning; the one that the command would take by default.
        predictor: One predictor of a program with several.
        force: Whether a prompt is exported that no gate has accepted; recorded.
        workspace: Folder with configs/, corpora/ and mlruns/.

    Raises:
        GateRefusalError: If the gate has not accepted the prompt.
    """
    from commands.export import exportable, recorded
    from programs.export import FORMATS
    from tasks.open_run import open_store

    chosen = FORMATS.get(format)
    where, found = _found(task, {"workspace": workspace} if workspace else {}, {})
    with contextlib.closing(open_store(where)) as store:
        current, prompt = exportable(where, store, found, run, force=force)
        text = chosen.render(prompt, predictor)
        recorded(store, current, format, prompt, None)
    return text


def metric(task: str | Task, **settings: Unpack[Settings]) -> OpenMetric:
    """The task's metric for ``dspy.Evaluate``, ``dspy.GEPA`` and ``dspy.MIPROv2`` in a script of one's own.

    A judge's calls are recorded and never paid twice. Use it in a ``with`` block, or leave it to the end of the script
    to close it. An example without gold, or an answer that cannot be judged, ends the script; it never scores 0.

    Raises:
        ModelError: If a judge's key is not in the environment.
    """
    from dataclasses import replace

    from tasks.open_metric import OpenMetric

    where, found = _found(task, settings, {})
    with _watched("metric", found, settings) as options:
        return OpenMetric(found, where, replace(options, new=True))


def __getattr__(name: str) -> Any:
    if name == "DistillSpec":
        from tasks.distill_task import DistillSpec

        return DistillSpec
    raise AttributeError(f"module 'proven' has no attribute {name!r}")


def _place(folder: str | Path | None) -> Workspace:
    from core.workspace import find_workspace

    return find_workspace(str(folder) if folder is not None else None)


def _overrides(settings: Settings, keys: dict[str, Any]) -> list[str]:
    """What the task file is told otherwise, as ``key=value``."""
    run = {f"run.{key}": settings.get(key) for key in ("threads", "max_cost", "max_calls", "max_minutes")}
    given = [f"{key}={value}" for key, value in {**run, **keys}.items() if value is not None]
    return [*settings.get("sets", ()), *given]


def _found(task: str | Task, settings: Settings, keys: dict[str, Any]) -> tuple[Workspace, Task]:
    """The task, loaded unless it is, and its workspace.

    Raises:
        UsageError: If a loaded task is given settings that belong to its loading.
    """
    from core.errors import UsageError
    from core.workspace import Workspace
    from tasks.open_run import open_task

    overrides = _overrides(settings, keys)
    if isinstance(task, str):
        where = _place(settings.get("workspace"))
        return where, open_task(where, task, overrides)
    if overrides or "workspace" in settings:
        said = ", ".join([*overrides, *(["workspace"] if "workspace" in settings else [])])
        raise UsageError(
            f"{task.name} is loaded already and cannot be changed any more, received {said}",
            hint="give them to proven.load_task, or name the task here instead",
        )
    return Workspace(task.root), task


@contextlib.contextmanager
def _at_work(
    verb: str, task: str | Task, settings: Settings, keys: dict[str, Any] | None = None
) -> Iterator[tuple[Workspace, Task, RunOptions]]:
    where, found = _found(task, settings, keys or {})
    with _watched(verb, found, settings) as options:
        yield where, found, options


@contextlib.contextmanager
def _watched(verb: str, task: Task, settings: Settings) -> Iterator[RunOptions]:
    """How the run is to behave, and the live display for as long as the block runs, where it is wanted."""
    from tasks.open_run import RunOptions

    options = RunOptions(f"proven.{verb}({task.name!r})", settings.get("yes", False), settings.get("new", False))
    if not settings.get("progress", False):
        yield options
        return
    from dataclasses import replace

    from rich.console import Console

    from reports.progress import LiveProgress

    with LiveProgress(Console(stderr=True), task.name) as progress:
        yield replace(options, progress=progress)
